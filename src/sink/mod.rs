//! Bytes to a file or object that is invisible under its final name until [`Sink::publish`], and gone after
//! [`Sink::abort`]. Devices, pipes and standard output have no final name: what is written is out.

mod local;
mod object;

use crate::error::{Error, Result};
use crate::location::{ContentType, Location, Object, blocking};
use crate::plan::Target;
use bytes::Bytes;
use local::LocalSink;
pub(crate) use local::PositionedFile;
use object::ObjectSink;
use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

/// What is there of a file that is being written.
pub(crate) enum Sink {
    Local(LocalSink),
    Object(ObjectSink),
    Stream(Stream),
}

/// Written straight.
pub(crate) struct Stream {
    name: String,
    file: Arc<dyn WriteAll>,
}

trait WriteAll: Send + Sync {
    fn write_all(&self, bytes: &[u8]) -> std::io::Result<()>;
}

impl WriteAll for File {
    fn write_all(&self, bytes: &[u8]) -> std::io::Result<()> {
        let mut file = self;
        Write::write_all(&mut file, bytes)
    }
}

impl WriteAll for std::io::Stdout {
    fn write_all(&self, bytes: &[u8]) -> std::io::Result<()> {
        let mut lock = self.lock();
        lock.write_all(bytes)?;
        lock.flush()
    }
}

/// How a sink treats what is there, and how much it may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SinkOptions {
    pub(crate) overwrite: bool,
    /// Bytes the output will have, about; the pieces of an upload are sized by it.
    pub(crate) expected_bytes: u64,
    /// An object up to this size is held and written by one request.
    pub(crate) hold: usize,
    /// What an object says it holds.
    pub(crate) content: ContentType,
}

impl Sink {
    pub(crate) async fn create(target: &Target, options: SinkOptions) -> Result<Self> {
        match target {
            Target::Stdout => {
                Ok(Sink::Stream(Stream { name: "standard output".into(), file: Arc::new(std::io::stdout()) }))
            }
            Target::Device(path) => {
                let name = path.clone();
                blocking(move || {
                    let file = File::options()
                        .write(true)
                        .open(&name)
                        .map_err(|error| Error::io("writing", name.clone(), error))?;
                    Ok(Sink::Stream(Stream { name, file: Arc::new(file) }))
                })
                .await
            }
            Target::File(location) => match location.store.object_store() {
                None => {
                    let location = location.clone();
                    blocking(move || LocalSink::create(&location, options.overwrite).map(Sink::Local)).await
                }
                Some(store) => {
                    Ok(Sink::Object(ObjectSink::new(Arc::clone(store), location.clone(), options)?))
                }
            },
        }
    }

    /// Appends pieces in order.
    pub(crate) async fn write(&mut self, pieces: Vec<Bytes>) -> Result<()> {
        match self {
            Sink::Local(sink) => sink.write(pieces).await,
            Sink::Object(sink) => {
                for bytes in pieces {
                    sink.write(bytes).await?;
                }
                Ok(())
            }
            Sink::Stream(stream) => {
                let (name, file) = (stream.name.clone(), Arc::clone(&stream.file));
                blocking(move || {
                    pieces.iter().try_for_each(|bytes| file.write_all(bytes)).map_err(|source| Error::Io {
                        doing: "writing",
                        object: name,
                        source,
                    })
                })
                .await
            }
        }
    }

    /// Whether [`Self::copy`] is to be had.
    pub(crate) fn copies_files(&self) -> bool {
        matches!(self, Sink::Local(_))
    }

    /// Appends a range of a local file; the system copies it by itself where it can.
    pub(crate) async fn copy(&mut self, file: &File, object: &Object, range: Range<u64>) -> Result<()> {
        match self {
            Sink::Local(sink) => sink.copy(file, object, range).await,
            _ => Err(Error::Internal("only files are copied to files".into())),
        }
    }

    /// The file behind it, where it is one whose bytes may be written in any order. Every byte must be written before
    /// [`Self::finish`].
    pub(crate) fn positioned(&self) -> Option<PositionedFile> {
        match self {
            Sink::Local(sink) => sink.positioned(),
            _ => None,
        }
    }

    /// Every byte was written: brings them to rest, still out of sight.
    pub(crate) async fn finish(&mut self) -> Result<()> {
        match self {
            Sink::Local(sink) => sink.finish().await,
            Sink::Object(sink) => sink.finish().await,
            Sink::Stream(_) => Ok(()),
        }
    }

    /// Brings a finished file into sight under its final name; gives that name.
    pub(crate) async fn publish(&mut self) -> Result<String> {
        match self {
            Sink::Local(sink) => sink.publish().await,
            Sink::Object(sink) => sink.publish().await,
            Sink::Stream(stream) => Ok(stream.name.clone()),
        }
    }

    /// Clears away what was written and not published. A failure to do so must not hide the error that led here,
    /// so there is none: what stays behind has a name of its own, never the final one.
    pub(crate) async fn abort(&mut self) {
        match self {
            Sink::Local(sink) => sink.abort(),
            Sink::Object(sink) => sink.abort().await,
            Sink::Stream(_) => {}
        }
    }
}

/// What people are shown for a place that is written to.
fn shown(location: &Location) -> String {
    location.to_string()
}
