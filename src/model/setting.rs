//! The settings that messages can name. The library calls a setting by its field's name; a program may use other names,
//! such as flags.

use serde::{Serialize, Serializer};

/// A setting of the caller's that a sentence may name.
///
/// ```
/// use forecast_export::Setting;
///
/// assert_eq!(Setting::AllowGaps.name(), "allow_gaps");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Setting {
    /// `Options::all_strings`.
    AllStrings,
    /// `Selection::allow_gaps`.
    AllowGaps,
    /// `Options::binary`.
    Binary,
    /// `Options::bloom_filters`.
    BloomFilters,
    /// `Options::columns`.
    Columns,
    /// `Options::compression` and `SampleOptions::compression`.
    Compression,
    /// `SampleOptions::dimensions`.
    Dimensions,
    /// `StoreOptions::endpoint_url`.
    EndpointUrl,
    /// `Selection::expect_parts`.
    ExpectParts,
    /// `Selection::expect_rows`.
    ExpectRows,
    /// `StoreOptions::external_id`.
    ExternalId,
    /// `Options::header`.
    Header,
    /// `ServeOptions::insecure_no_auth`.
    InsecureNoAuth,
    /// `SampleOptions::items`.
    Items,
    /// `Selection::job`.
    Job,
    /// `Selection::kind`.
    Kind,
    /// `InventoryOptions::names_only`.
    NamesOnly,
    /// `StoreOptions::no_sign_request`.
    NoSignRequest,
    /// `Options::no_receipt`.
    NoReceipt,
    /// `Options::nulls`.
    Nulls,
    /// `Options::on_server`.
    OnServer,
    /// `Options::overwrite` and `SampleOptions::overwrite`.
    Overwrite,
    /// `Pieces`, of work that is divided.
    Pieces,
    /// `SampleOptions::parts`.
    Parts,
    /// `Selection::pattern`, where it is a regex.
    Pattern,
    /// `Selection::pattern`, where it is one of the known exporters.
    Preset,
    /// `StoreOptions::profile`.
    Profile,
    /// `SampleOptions::quantiles`.
    Quantiles,
    /// `StoreOptions::region`.
    Region,
    /// `Selection::restore`.
    Restore,
    /// `StoreOptions::role_arn`.
    RoleArn,
    /// `Options::row_group_rows`.
    RowGroupRows,
    /// `Selection::run`.
    Run,
    /// `Options::schema`.
    Schema,
    /// `Options::source_columns`.
    SourceColumns,
    /// `Options::split` by bytes.
    SplitBytes,
    /// `Options::split` by rows.
    SplitRows,
    /// `SampleOptions::steps`.
    Steps,
    /// `ObjectOptions::tags`.
    Tags,
    /// `Options::to` and `SampleOptions::to`.
    To,
    /// `Options::types`.
    Types,
    /// `Options::verify`.
    Verify,
    /// `wait_until`.
    Wait,
}

/// A program's names for settings: [`Setting::name`], or a function of its own.
pub type SettingName = fn(Setting) -> &'static str;

/// By its name.
impl Serialize for Setting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl Setting {
    /// Every setting.
    pub const ALL: [Setting; 43] = [
        Setting::AllStrings,
        Setting::AllowGaps,
        Setting::Binary,
        Setting::BloomFilters,
        Setting::Columns,
        Setting::Compression,
        Setting::Dimensions,
        Setting::EndpointUrl,
        Setting::ExpectParts,
        Setting::ExpectRows,
        Setting::ExternalId,
        Setting::Header,
        Setting::InsecureNoAuth,
        Setting::Items,
        Setting::Job,
        Setting::Kind,
        Setting::NamesOnly,
        Setting::NoSignRequest,
        Setting::NoReceipt,
        Setting::Nulls,
        Setting::OnServer,
        Setting::Overwrite,
        Setting::Parts,
        Setting::Pattern,
        Setting::Preset,
        Setting::Profile,
        Setting::Quantiles,
        Setting::Region,
        Setting::Pieces,
        Setting::Restore,
        Setting::RoleArn,
        Setting::RowGroupRows,
        Setting::Run,
        Setting::Schema,
        Setting::SourceColumns,
        Setting::SplitBytes,
        Setting::SplitRows,
        Setting::Steps,
        Setting::Tags,
        Setting::To,
        Setting::Types,
        Setting::Verify,
        Setting::Wait,
    ];

    /// The library's own name for it.
    pub fn name(self) -> &'static str {
        match self {
            Setting::AllStrings => "all_strings",
            Setting::AllowGaps => "allow_gaps",
            Setting::Binary => "binary",
            Setting::BloomFilters => "bloom_filters",
            Setting::Columns => "columns",
            Setting::Compression => "compression",
            Setting::Dimensions => "dimensions",
            Setting::EndpointUrl => "endpoint_url",
            Setting::ExpectParts => "expect_parts",
            Setting::ExpectRows => "expect_rows",
            Setting::ExternalId => "external_id",
            Setting::Header => "header",
            Setting::InsecureNoAuth => "insecure_no_auth",
            Setting::Items => "items",
            Setting::Job => "job",
            Setting::Kind => "kind",
            Setting::NamesOnly => "names_only",
            Setting::NoSignRequest => "no_sign_request",
            Setting::NoReceipt => "no_receipt",
            Setting::Nulls => "nulls",
            Setting::OnServer => "on_server",
            Setting::Overwrite => "overwrite",
            Setting::Pieces => "pieces",
            Setting::Parts => "parts",
            Setting::Pattern => "pattern",
            Setting::Preset => "preset",
            Setting::Profile => "profile",
            Setting::Quantiles => "quantiles",
            Setting::Region => "region",
            Setting::Restore => "restore",
            Setting::RoleArn => "role_arn",
            Setting::RowGroupRows => "row_group_rows",
            Setting::Run => "run",
            Setting::Schema => "schema",
            Setting::SourceColumns => "source_columns",
            Setting::SplitBytes => "split_bytes",
            Setting::SplitRows => "split_rows",
            Setting::Steps => "steps",
            Setting::Tags => "tags",
            Setting::To => "to",
            Setting::Types => "types",
            Setting::Verify => "verify",
            Setting::Wait => "wait_until",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_setting_has_a_name_of_its_own() {
        let names: HashSet<&str> = Setting::ALL.iter().map(|setting| setting.name()).collect();
        assert_eq!(names.len(), Setting::ALL.len());
        let is_own = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        assert!(names.into_iter().all(is_own));
    }
}
