//! An object that is read back before it is uploaded. A store cannot read an incomplete upload, so the bytes wait in a
//! local temporary file until they are verified.

use super::local::LocalSink;
use super::object::ObjectSink;
use crate::model::{Error, Result, TRANSFER_BYTES};
use crate::store::blocking;

use bytes::Bytes;
use std::fs::File;
use std::io::Read;
use std::path::Path;

pub(crate) struct StagedSink {
    pub(super) file: LocalSink,
    pub(super) object: ObjectSink,
}

impl StagedSink {
    /// Uploads the file's contents; the object stays unpublished.
    pub(super) async fn upload(&mut self) -> Result<()> {
        let Some(path) = self.file.temporary().map(Path::to_path_buf) else {
            return Err(Error::Internal("a temporary file was uploaded twice".into()));
        };
        let shown = path.display().to_string();
        let mut file = File::open(&path).map_err(|error| Error::io("reading", &shown, error))?;
        loop {
            let shown = shown.clone();
            let (piece, rest) = blocking(move || {
                let mut piece = Vec::with_capacity(TRANSFER_BYTES);
                (&mut file)
                    .take(TRANSFER_BYTES as u64)
                    .read_to_end(&mut piece)
                    .map_err(|error| Error::io("reading", shown, error))?;
                Ok((Bytes::from(piece), file))
            })
            .await?;
            if piece.is_empty() {
                break;
            }
            file = rest;
            self.object.write(piece).await?;
        }
        self.object.finish().await?;
        self.file.abort();
        Ok(())
    }

    pub(super) async fn abort(&mut self) {
        self.file.abort();
        self.object.abort().await;
    }
}
