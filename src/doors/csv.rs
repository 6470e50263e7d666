//! CSV as RFC 4180 has it: commas between fields, CRLF after each record, quotes where needed.

/// Writes a record. Values are written as they are: what reads them is to treat them as text.
pub fn push_record<'a>(out: &mut Vec<u8>, fields: impl IntoIterator<Item = &'a str>) {
    for (place, field) in fields.into_iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        if field.contains(['"', ',', '\r', '\n']) {
            out.push(b'"');
            out.extend_from_slice(field.replace('"', "\"\"").as_bytes());
            out.push(b'"');
        } else {
            out.extend_from_slice(field.as_bytes());
        }
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_with_marks_of_the_format_are_quoted() {
        let mut out = Vec::new();
        push_record(&mut out, ["a", "", "1,5", "say \"ä\"", "two\r\nlines", "=1+1"]);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "a,,\"1,5\",\"say \"\"ä\"\"\",\"two\r\nlines\",=1+1\r\n");
    }

    proptest! {
        #[test]
        fn another_program_reads_what_was_written(
            records in proptest::collection::vec(
                proptest::collection::vec("[ab,\"\r\n ;ä=]{0,6}|.*", 2..5), 0..5)
        ) {
            // A mark of byte order at the very beginning would be taken for no part of a value.
            let records = [vec![vec!["first".to_owned()]], records].concat();
            let mut out = Vec::new();
            for record in &records {
                push_record(&mut out, record.iter().map(String::as_str));
            }
            let reader = csv::ReaderBuilder::new().has_headers(false).flexible(true)
                .from_reader(&out[..]);
            let read: Vec<Vec<String>> = reader.into_records()
                .map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect();
            prop_assert_eq!(read, records);
        }
    }
}
