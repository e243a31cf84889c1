//! Reads Thrift's compact protocol, used in page headers and footers, field by field. Claims in the bytes are never
//! trusted: no length causes an allocation, and nesting is limited.

/// Why reading ended early.
pub(super) enum Stop {
    /// More bytes are needed.
    Short,
    Damaged,
}

/// A position in bytes that contain structs.
#[derive(Clone)]
pub(super) struct Thrift<'a> {
    bytes: &'a [u8],
    pub(super) position: usize,
}

/// The relevant field types.
pub(super) const TRUE: u8 = 1;
pub(super) const FALSE: u8 = 2;
pub(super) const INT32: u8 = 5;
pub(super) const BINARY: u8 = 8;
pub(super) const LIST: u8 = 9;
pub(super) const STRUCT: u8 = 12;

impl<'a> Thrift<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Thrift { bytes, position: 0 }
    }

    fn byte(&mut self) -> Result<u8, Stop> {
        let byte = *self.bytes.get(self.position).ok_or(Stop::Short)?;
        self.position += 1;
        Ok(byte)
    }

    pub(super) fn varint(&mut self) -> Result<u64, Stop> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Stop::Damaged)
    }

    pub(super) fn zigzag(&mut self) -> Result<i64, Stop> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    pub(super) fn binary(&mut self) -> Result<&'a [u8], Stop> {
        let length = usize::try_from(self.varint()?).map_err(|_| Stop::Damaged)?;
        let rest = self.bytes.get(self.position..).ok_or(Stop::Short)?;
        let bytes = rest.get(..length).ok_or(Stop::Short)?;
        self.position += length;
        Ok(bytes)
    }

    /// Begins a list: returns the type of its elements and their claimed number.
    pub(super) fn list(&mut self) -> Result<(u8, u64), Stop> {
        let head = self.byte()?;
        let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        Ok((head & 0x0f, count))
    }

    /// Reads a struct. `known` is called with the ID and type of every field; it reads the field and returns `true`, or
    /// leaves it alone.
    pub(super) fn fields(
        &mut self,
        mut known: impl FnMut(&mut Self, i64, u8) -> Result<bool, Stop>,
    ) -> Result<(), Stop> {
        let mut id = 0;
        while let Some((field_type, field_id)) = self.field(id)? {
            id = field_id;
            if !known(self, field_id, field_type)? {
                self.skip(field_type, 0)?;
            }
        }
        Ok(())
    }

    /// The next field's type and ID; `None` at the end of the struct.
    fn field(&mut self, last_id: i64) -> Result<Option<(u8, i64)>, Stop> {
        let byte = self.byte()?;
        if byte == 0 {
            return Ok(None);
        }
        let id = match byte >> 4 {
            0 => self.zigzag()?,
            delta => last_id.checked_add(i64::from(delta)).ok_or(Stop::Damaged)?,
        };
        Ok(Some((byte & 0x0f, id)))
    }

    /// Skips a value.
    pub(super) fn skip(&mut self, field_type: u8, depth: u8) -> Result<(), Stop> {
        if depth > 16 {
            return Err(Stop::Damaged);
        }
        match field_type {
            // A boolean is encoded in its type.
            TRUE | FALSE => {}
            3 => self.position += 1,
            4..=6 => {
                self.varint()?;
            }
            7 => self.position += 8,
            BINARY => {
                let length = usize::try_from(self.varint()?).map_err(|_| Stop::Damaged)?;
                self.position = self.position.checked_add(length).ok_or(Stop::Damaged)?;
            }
            LIST | 10 => {
                let (element, count) = self.list()?;
                for _ in 0..count {
                    // Within a list, booleans take a byte each.
                    self.skip(if matches!(element, TRUE | FALSE) { 3 } else { element }, depth + 1)?;
                    if self.position > self.bytes.len() {
                        return Err(Stop::Short);
                    }
                }
            }
            STRUCT => {
                let mut id = 0;
                while let Some((inner, inner_id)) = self.field(id)? {
                    id = inner_id;
                    self.skip(inner, depth + 1)?;
                }
            }
            _ => return Err(Stop::Damaged),
        }
        // Skipping past the end is noticed when the next byte is read; a struct always ends with one.
        Ok(())
    }
}
