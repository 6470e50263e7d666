//! The documented tables in full, for endpoints that asked for strict validation (MAPI 3.2, 9.4).

use super::sale::is_email;
use crate::payment::refusal::Refusal;

/// The fields that the tables give a length or a format.
pub struct Tables<'a> {
    pub first_name: Option<&'a str>,
    pub last_name: Option<&'a str>,
    pub ssn: Option<&'a str>,
    pub birthday: Option<&'a str>,
    pub address1: &'a str,
    pub city: &'a str,
    pub state: Option<&'a str>,
    pub zip_code: &'a str,
    pub country: &'a str,
    pub phone: Option<&'a str>,
    pub cell_phone: Option<&'a str>,
    pub email: &'a str,
}

const US_STATES: &[&str] = &[
    "AK", "AL", "AR", "AS", "AZ", "CA", "CO", "CT", "DC", "DE", "FL", "GA", "GU", "HI", "IA", "ID",
    "IL", "IN", "KS", "KY", "LA", "MA", "MD", "ME", "MI", "MN", "MO", "MS", "MT", "NC", "ND", "NE",
    "NH", "NJ", "NM", "NV", "NY", "OH", "OK", "OR", "PA", "PR", "RI", "SC", "SD", "TN", "TX", "UT",
    "VA", "VI", "VT", "WA", "WI", "WV", "WY",
];
const CA_PROVINCES: &[&str] =
    &["AB", "BC", "MB", "NB", "NL", "NS", "NT", "NU", "ON", "PE", "QC", "SK", "YT"];
const AU_STATES: &[&str] = &["ACT", "NSW", "NT", "QLD", "SA", "TAS", "VIC", "WA"];

/// Holds a request against the tables.
///
/// # Errors
/// The first field, in the table's order, that breaks its line.
pub fn check(fields: &Tables<'_>) -> Result<(), Refusal> {
    length("first_name", fields.first_name, 50)?;
    length("last_name", fields.last_name, 50)?;
    if fields.ssn.is_some_and(|ssn| !is_digits(ssn, 4..=4)) {
        return Err(Refusal::invalid("ssn", "must be the last four digits"));
    }
    if fields.birthday.is_some_and(|birthday| !is_date(birthday)) {
        return Err(Refusal::invalid("birthday", "must be a date as YYYYMMDD"));
    }
    length("address1", Some(fields.address1), 50)?;
    length("city", Some(fields.city), 50)?;
    check_country(fields)?;
    length("zip_code", Some(fields.zip_code), 10)?;
    for (name, phone) in [("phone", fields.phone), ("cell_phone", fields.cell_phone)] {
        if phone.is_some_and(|phone| !is_phone(phone)) {
            return Err(Refusal::invalid(name, "must be 5 to 15 digits, '+' in front allowed"));
        }
    }
    length("email", Some(fields.email), 50)?;
    if !is_email(fields.email) {
        return Err(Refusal::invalid("email", "not an e-mail address"));
    }
    Ok(())
}

/// Countries are two letters; three of them want a state, and state codes are their own.
fn check_country(fields: &Tables<'_>) -> Result<(), Refusal> {
    let country = fields.country;
    if country.len() != 2 || !country.bytes().all(|b| b.is_ascii_uppercase()) {
        return Err(Refusal::invalid("country", "must be two upper-case letters (ISO 3166)"));
    }
    let states = match country {
        "US" => US_STATES,
        "CA" => CA_PROVINCES,
        "AU" => AU_STATES,
        _ => return length("state", fields.state, 3),
    };
    match fields.state {
        None => Err(Refusal::MissingParameter("state")),
        Some(state) if states.contains(&state) => Ok(()),
        Some(_) => Err(Refusal::invalid("state", format!("not a state of {country}"))),
    }
}

fn length(name: &str, value: Option<&str>, most: usize) -> Result<(), Refusal> {
    if value.is_some_and(|value| value.chars().count() > most) {
        return Err(Refusal::invalid(name, format!("longer than {most} characters")));
    }
    Ok(())
}

fn is_digits(text: &str, lengths: std::ops::RangeInclusive<usize>) -> bool {
    lengths.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_phone(text: &str) -> bool {
    text.len() <= 15 && is_digits(text.strip_prefix('+').unwrap_or(text), 5..=15)
}

fn is_date(text: &str) -> bool {
    is_digits(text, 8..=8) && chrono::NaiveDate::parse_from_str(text, "%Y%m%d").is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Tables<'static> {
        Tables {
            first_name: Some("John"),
            last_name: Some("Smith"),
            ssn: Some("1267"),
            birthday: Some("19820115"),
            address1: "100 Main st",
            city: "Seattle",
            state: Some("WA"),
            zip_code: "98102",
            country: "US",
            phone: Some("+12063582043"),
            cell_phone: None,
            email: "john.smith@example.com",
        }
    }

    fn refused(change: impl FnOnce(&mut Tables<'static>)) -> String {
        let mut fields = good();
        change(&mut fields);
        check(&fields).unwrap_err().to_string()
    }

    #[test]
    fn a_request_within_the_tables_passes() {
        assert_eq!(check(&good()), Ok(()));
    }

    #[test]
    fn each_line_of_the_tables_is_held() {
        assert!(refused(|f| f.ssn = Some("126")).contains("'ssn'"));
        assert!(refused(|f| f.birthday = Some("19821315")).contains("'birthday'"));
        assert!(refused(|f| f.country = "RUS").contains("'country'"));
        assert!(refused(|f| f.state = None).contains("'state' is missing"));
        assert!(refused(|f| f.state = Some("NSW")).contains("'state'"));
        assert!(refused(|f| f.zip_code = "12345678901").contains("'zip_code'"));
        assert!(refused(|f| f.email = "v-0.2.32-4").contains("'email'"));
        assert!(
            refused(|f| f.phone = Some("F5769D0E-DD15-459B-AED1-E1F9F05A2495")).contains("'phone'")
        );
        assert!(refused(|f| f.cell_phone = Some("12")).contains("'cell_phone'"));
    }

    #[test]
    fn australian_states_may_have_three_letters() {
        let mut fields = good();
        (fields.country, fields.state) = ("AU", Some("NSW"));
        assert_eq!(check(&fields), Ok(()));
    }
}
