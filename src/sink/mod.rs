//! Writes bytes to a file or object that stays unpublished until [`Sink::publish`], and is gone after [`Sink::abort`].
//! Devices, pipes and standard output have no final name: what is written to them is out at once.

mod folder;
mod into_place;
mod journal;
mod local;
mod object;
mod publication;
mod server;
mod staged;
mod target;

pub(crate) use folder::longest_name;
pub(crate) use local::PositionedFile;
pub(crate) use object::run_of;
pub(crate) use publication::Publication;
pub(crate) use server::Sources;
pub(crate) use target::{SinkOptions, Target};

use crate::model::{Error, Incomplete, Result};
use crate::store::{ContentType, Limits, Location, Object, blocking};
use local::LocalSink;
use object::ObjectSink;
use server::ServerSink;
use staged::StagedSink;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file being written, by its kind of target.
pub(crate) enum Sink {
    Local(LocalSink),
    Object(Box<ObjectSink>),
    Staged(Box<StagedSink>),
    Server(Box<ServerSink>),
    Stream(Stream),
}

/// Output that is written directly.
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
                    journal::clear(&location.store).await;
                    let object = ObjectSink::new(Arc::clone(store), location.clone(), options)?;
                    if !options.reread {
                        return Ok(Sink::Object(Box::new(object)));
                    }
                    let location = location.clone();
                    let file = blocking(move || LocalSink::aside(&location)).await?;
                    Ok(Sink::Staged(Box::new(StagedSink { file, object })))
                }
            },
        }
    }

    /// A small JSON file, completely written and not published yet.
    pub(crate) async fn note(place: &Location, replaces: bool, json: Vec<u8>) -> Result<Self> {
        let options = SinkOptions {
            overwrite: replaces,
            expected_bytes: json.len() as u64,
            single_put_limit: json.len(),
            reread: false,
            content: ContentType::JSON,
            run: None,
        };
        let mut sink = Sink::create(&Target::File(place.clone()), options).await?;
        let written = async {
            sink.write(vec![json.into()]).await?;
            sink.finish().await
        };
        match written.await {
            Ok(()) => Ok(sink),
            Err(error) => {
                sink.abort().await;
                Err(error)
            }
        }
    }

    /// An object that the server assembles from parts of the input, in pieces of sizes that `limits` allow.
    pub(crate) async fn on_server(
        location: &Location,
        options: SinkOptions,
        limits: Limits,
        sources: Sources,
    ) -> Result<Self> {
        journal::clear(&location.store).await;
        ServerSink::create(location, options, limits, sources).await.map(|sink| Sink::Server(Box::new(sink)))
    }

    /// Appends a range of a part of the input, which the server copies; only for a sink made by [`Self::on_server`].
    pub(crate) async fn copy_part(&mut self, part: usize, range: Range<u64>) -> Result<()> {
        match self {
            Sink::Server(sink) => sink.copy(part, range).await,
            _ => Err(Error::Internal("an output that no server puts together was asked to copy".into())),
        }
    }

    /// Appends bytes to an object that the server assembles.
    pub(crate) fn written_on_server(&self) -> Option<u64> {
        match self {
            Sink::Server(sink) => Some(sink.written()),
            _ => None,
        }
    }

    /// Appends pieces in order.
    pub(crate) async fn write(&mut self, pieces: Vec<Bytes>) -> Result<()> {
        match self {
            Sink::Local(sink) => sink.write(pieces).await,
            Sink::Staged(sink) => sink.file.write(pieces).await,
            Sink::Object(sink) => {
                for bytes in pieces {
                    sink.write(bytes).await?;
                }
                Ok(())
            }
            Sink::Server(sink) => {
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
                        source: Arc::new(source),
                    })
                })
                .await
            }
        }
    }

    /// Whether [`Self::copy`] is available.
    pub(crate) fn copies_files(&self) -> bool {
        matches!(self, Sink::Local(_))
    }

    /// Appends a range of a local file; the system copies it if it can.
    pub(crate) async fn copy(&mut self, file: &File, object: &Object, range: Range<u64>) -> Result<()> {
        match self {
            Sink::Local(sink) => sink.copy(file, object, range).await,
            _ => Err(Error::Internal("only files are copied to files".into())),
        }
    }

    /// The underlying file, if its bytes may be written in any order. Every byte must be written before
    /// [`Self::finish`].
    pub(crate) fn positioned(&self) -> Option<PositionedFile> {
        match self {
            Sink::Local(sink) => sink.positioned(),
            Sink::Staged(sink) => sink.file.positioned(),
            _ => None,
        }
    }

    /// All bytes are written: makes them durable, without publishing.
    pub(crate) async fn finish(&mut self) -> Result<()> {
        match self {
            Sink::Local(sink) => sink.finish().await,
            Sink::Staged(sink) => sink.file.finish().await,
            Sink::Object(sink) => sink.finish().await,
            Sink::Server(sink) => sink.finish().await,
            Sink::Stream(_) => Ok(()),
        }
    }

    /// The local file with what was written, if there is one to read back before publishing.
    pub(crate) fn written(&self) -> Option<&Path> {
        match self {
            Sink::Local(sink) => sink.temporary(),
            Sink::Staged(sink) => sink.file.temporary(),
            Sink::Object(_) | Sink::Server(_) | Sink::Stream(_) => None,
        }
    }

    /// Moves verified output to where it can be published from.
    pub(crate) async fn upload(&mut self) -> Result<()> {
        match self {
            Sink::Staged(sink) => sink.upload().await,
            Sink::Local(_) | Sink::Object(_) | Sink::Server(_) | Sink::Stream(_) => Ok(()),
        }
    }

    /// Sets a local file's modification time, after the last byte and before [`Self::publish`]. Returns the time as the
    /// file system keeps it; `None` if it cannot be set.
    pub(crate) fn stamp(&mut self, time: DateTime<Utc>) -> Result<Option<DateTime<Utc>>> {
        match self {
            Sink::Local(sink) => Ok(sink.stamp(time.into())?.map(DateTime::from)),
            _ => Ok(None),
        }
    }

    /// Whether the published file may have replaced one that appeared at the same moment, because the file system
    /// offers nothing better than a check before the rename.
    pub(crate) fn came_after_a_look(&self) -> bool {
        matches!(self, Sink::Local(sink) if sink.came_after_a_look())
    }

    /// The folders on local disk that were created for the file, the outermost first.
    pub(crate) fn made_folders(&self) -> &[PathBuf] {
        match self {
            Sink::Local(sink) => sink.made_folders(),
            Sink::Object(_) | Sink::Staged(_) | Sink::Server(_) | Sink::Stream(_) => &[],
        }
    }

    /// Whether it ends up on local disk.
    pub(crate) fn is_local(&self) -> bool {
        matches!(self, Sink::Local(_))
    }

    /// Replaces the end of a file that was read back.
    pub(crate) async fn replace_end(&mut self, from: u64, end: Bytes, time: DateTime<Utc>) -> Result<()> {
        match self {
            Sink::Local(sink) => sink.replace_end(from, end, time.into()).await,
            Sink::Staged(sink) => sink.file.replace_end(from, end, time.into()).await,
            Sink::Object(_) | Sink::Server(_) | Sink::Stream(_) => {
                Err(Error::Internal("what is under way cannot be changed any more".into()))
            }
        }
    }

    /// The store's identifier of a published object, if the store returned one.
    pub(crate) fn e_tag(&self) -> Option<String> {
        match self {
            Sink::Staged(sink) => sink.object.e_tag(),
            Sink::Object(sink) => sink.e_tag(),
            Sink::Server(sink) => sink.e_tag(),
            Sink::Local(_) | Sink::Stream(_) => None,
        }
    }

    /// What distinguishes a published file from a later one of its name: the store's identifier and the modification
    /// time. For a local file that waits to be published, as much as is known before.
    pub(crate) async fn identity(&self) -> Result<(Option<String>, Option<DateTime<Utc>>)> {
        match self {
            Sink::Local(sink) => {
                let (tag, modified) = sink.identity();
                Ok((tag, modified.map(DateTime::from)))
            }
            Sink::Staged(sink) => sink.object.identity().await,
            Sink::Object(sink) => sink.identity().await,
            Sink::Server(sink) => sink.identity().await,
            Sink::Stream(_) => Ok((None, None)),
        }
    }

    /// Publishes a finished file under its final name, and returns that name.
    pub(crate) async fn publish(&mut self) -> Result<String> {
        match self {
            Sink::Local(sink) => sink.publish().await,
            Sink::Staged(sink) => sink.object.publish().await,
            Sink::Object(sink) => sink.publish().await,
            Sink::Server(sink) => sink.publish().await,
            Sink::Stream(stream) => Ok(stream.name.clone()),
        }
    }

    /// Unpublishes a file, unless it may have replaced another.
    pub(crate) async fn retract(&mut self) {
        match self {
            Sink::Local(sink) => sink.retract(),
            Sink::Object(sink) => sink.retract().await,
            Sink::Server(sink) => sink.retract().await,
            Sink::Staged(sink) => sink.object.retract().await,
            Sink::Stream(_) => {}
        }
    }

    /// Removes what was written but not published. A failure here must not hide the error that led to it, so none is
    /// returned: anything left behind has a temporary name, never the final one.
    pub(crate) async fn abort(&mut self) {
        match self {
            Sink::Local(sink) => sink.abort(),
            Sink::Staged(sink) => sink.abort().await,
            Sink::Object(sink) => sink.abort().await,
            Sink::Server(sink) => sink.abort().await,
            Sink::Stream(_) => {}
        }
    }
}

/// Publishes finished files, in order. Each appears whole. If one cannot be published, those before it are unpublished,
/// unless they may have replaced others: then the old files are gone, and the new ones are whole.
///
/// # Errors
/// [`Incomplete::SameNameHere`] if the file system would give two of them the same name, before any is published.
pub(crate) async fn publish_all(mut sinks: Vec<&mut Sink>) -> Result<()> {
    let local = sinks.iter().filter_map(|sink| match sink {
        Sink::Local(sink) => Some(sink),
        _ => None,
    });
    if let Some(name) = LocalSink::with_anothers_name(local) {
        return Err(Incomplete::SameNameHere { name }.into());
    }
    for i in 0..sinks.len() {
        if let Err(error) = sinks[i].publish().await {
            for sink in &mut sinks[i..] {
                sink.abort().await;
            }
            for sink in &mut sinks[..i] {
                sink.retract().await;
            }
            return Err(error);
        }
    }
    Ok(())
}
