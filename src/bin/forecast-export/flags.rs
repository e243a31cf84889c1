//! The command line's names for the library's settings.

use forecast_export::Setting;

/// The flag for a setting.
pub(crate) fn flag(setting: Setting) -> &'static str {
    match setting {
        Setting::AllStrings => "--all-strings",
        Setting::AllowGaps => "--allow-gaps",
        Setting::BloomFilters => "--bloom-filter",
        Setting::Columns => "--columns",
        Setting::Compression => "--compression",
        Setting::Dimensions => "--dimensions",
        Setting::EndpointUrl => "--endpoint-url",
        Setting::ExpectParts => "--expect-parts",
        Setting::ExpectRows => "--expect-rows",
        Setting::ExternalId => "--external-id",
        Setting::Header => "--header",
        Setting::InsecureNoAuth => "--insecure-no-auth",
        Setting::Items => "--items",
        Setting::Job => "--job",
        Setting::Kind => "--kind",
        Setting::NamesOnly => "--names",
        Setting::NoSignRequest => "--no-sign-request",
        Setting::Binary => "--binary",
        Setting::NoReceipt => "--no-receipt",
        Setting::Nulls => "--null",
        Setting::OnServer => "--on-server",
        Setting::Overwrite => "--overwrite",
        Setting::Parts => "--parts",
        Setting::Pieces => "--pieces",
        Setting::Pattern => "--pattern",
        Setting::Preset => "--preset",
        Setting::Profile => "--profile",
        Setting::Quantiles => "--quantiles",
        Setting::Region => "--region",
        Setting::Restore => "--restore",
        Setting::RoleArn => "--role-arn",
        Setting::RowGroupRows => "--row-group-rows",
        Setting::Run => "--run",
        Setting::Schema => "--schema",
        Setting::SourceColumns => "--source-columns",
        Setting::SplitBytes => "--split-bytes",
        Setting::SplitRows => "--split-rows",
        Setting::Steps => "--steps",
        Setting::Tags => "--tag",
        Setting::To => "--to",
        Setting::Types => "--type",
        Setting::Verify => "--verify",
        Setting::Wait => "--wait",
        // A setting that this version of the command does not know yet.
        other => other.name(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::args::Cli;
    use super::*;
    use clap::CommandFactory;
    use std::collections::BTreeSet;

    #[test]
    fn every_setting_is_a_flag_of_some_command() {
        let cli = Cli::command();
        let known: BTreeSet<String> = cli
            .get_subcommands()
            .flat_map(|command| command.get_subcommands().chain([command]))
            .chain([&cli])
            .flat_map(|command| command.get_arguments())
            .filter_map(|argument| argument.get_long().map(|long| format!("--{long}")))
            .collect();
        for setting in Setting::ALL {
            assert!(known.contains(flag(setting)), "{}", flag(setting));
        }
    }
}
