//! A request to the server: a line with its URI, headers, an empty line, and the body. No panic, and none is accepted whose
//! signature is not that of a seed.
#![no_main]

use chrono::DateTime;
use forecast_export::fuzzing::is_accepted;
use libfuzzer_sys::fuzz_target;

/// The one signature that is right: of the seed `list`.
const SIGNATURE: &[u8] = b"492cf534fd1ca1e3605160643caeff7d0eff025aec49d8636a486c68746062ce";

fuzz_target!(|request: &[u8]| {
    let end = request.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = end.map_or((request, &[][..]), |end| (&request[..end], &request[end + 2..]));
    let mut lines = head.split(|byte| *byte == b'\n');
    let uri = String::from_utf8_lossy(lines.next().unwrap_or_default());
    let headers: Vec<(&str, &[u8])> = lines
        .filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            Some((std::str::from_utf8(&line[..colon]).ok()?, line[colon + 1..].trim_ascii()))
        })
        .collect();
    // The seeds are signed for the first of these.
    let [signed, later] =
        [1_767_323_045, 1_800_000_000].map(|time| DateTime::from_timestamp(time, 0).expect("a time"));
    let is_seed = head.windows(SIGNATURE.len()).any(|part| part == SIGNATURE);
    assert!(!is_accepted(&uri, &headers, body, signed) || is_seed);
    assert!(!is_accepted(&uri, &headers, body, later));
});
