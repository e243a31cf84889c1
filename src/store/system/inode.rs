//! How a file is known apart from others, whatever its name is.

/// What a file system keeps of a file besides its names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Inode {
    pub(crate) device: u64,
    /// No other file of the device has it while this file exists.
    pub(crate) number: u64,
    pub(crate) size: u64,
    /// How many names the file has.
    pub(crate) links: u64,
    /// When the file last changed, in the system's units.
    pub(crate) changed: i128,
}

impl Inode {
    /// Whether both are of one file.
    pub(crate) fn is(&self, other: &Inode) -> bool {
        (self.device, self.number) == (other.device, other.number)
    }
}
