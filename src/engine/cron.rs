//! Times as cron writes them: minute, hour, day of the month, month and day of the week, in UTC.
//!
//! A field is `*`, a number, a range, or several of them with commas between, each with `/step`. As in cron, where both
//! days are given, one of them is enough.

/// When something is due: a bit for each number that a field allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Neither day is `*`.
    either_day: bool,
}

impl Cron {
    /// Reads an expression; `None` where it is none.
    pub(super) fn parse(text: &str) -> Option<Cron> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = *<&[&str; 5]>::try_from(&*fields).ok()?;
        let parsed = field(weekdays, 0, 7)?;
        Some(Cron {
            minutes: field(minutes, 0, 59)?,
            hours: field(hours, 0, 23)?,
            days: field(days, 1, 31)?,
            months: field(months, 1, 12)?,
            // Sunday is 0 and 7.
            weekdays: parsed | parsed >> 7 & 1,
            either_day: !days.starts_with('*') && !weekdays.starts_with('*'),
        })
    }

    /// Whether something is due in the minute that begins at this Unix time.
    pub(super) fn is_at(&self, seconds: u64) -> bool {
        let (days, rest) = (seconds / 86_400, seconds % 86_400);
        let (month, day) = month_and_day(days);
        let has = |set: u64, number: u64| set >> number & 1 == 1;
        let (of_month, of_week) = (has(self.days, day), has(self.weekdays, (days + 4) % 7));
        let is_day = if self.either_day { of_month || of_week } else { of_month && of_week };
        has(self.minutes, rest / 60 % 60) && has(self.hours, rest / 3600) && has(self.months, month) && is_day
    }
}

/// The numbers that a field allows.
fn field(text: &str, min: u32, max: u32) -> Option<u64> {
    let number = |text: &str| text.parse::<u32>().ok().filter(|number| (min..=max).contains(number));
    let mut set = 0;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step.parse::<u32>().ok().filter(|step| *step > 0)?)),
            None => (part, None),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (min, max),
            Some((first, last)) => (number(first)?, number(last)?),
            None => (number(range)?, if step.is_some() { max } else { number(range)? }),
        };
        if first > last {
            return None;
        }
        (first..=last).step_by(step.unwrap_or(1) as usize).for_each(|number| set |= 1u64 << number);
    }
    Some(set)
}

/// The month and the day of a day since 1970, in the Gregorian calendar (Howard Hinnant's `civil_from_days`).
fn month_and_day(days: u64) -> (u64, u64) {
    let days = days + 719_468;
    let of_era = days % 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    (if month < 10 { month + 3 } else { month - 9 }, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2024-02-29 12:30 UTC, a Thursday.
    const LEAP_DAY: u64 = 1_709_209_800;

    #[test]
    fn times_are_what_cron_says() {
        assert_eq!(month_and_day(LEAP_DAY / 86_400), (2, 29));
        for (text, due) in [
            ("* * * * *", true),
            ("30 12 29 2 *", true),
            ("30 12 29 2 4", true),
            ("30 12 1 2 4", true),
            ("30 12 * 2 5", false),
            ("*/15 8-16/4 * * 1-5", true),
            ("*/20 * * * *", false),
            ("0,30 * * * *", true),
            ("10/20 * * * *", true),
            ("31 * * * *", false),
        ] {
            assert_eq!(Cron::parse(text).expect(text).is_at(LEAP_DAY), due, "{text}");
        }
        assert!(Cron::parse("* * * * 7").expect("Sunday").is_at(LEAP_DAY + 3 * 86_400));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "* * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "*/0 * * * *",
            "5-1 * * * *",
            "a * * * *",
        ] {
            assert_eq!(Cron::parse(text), None, "{text}");
        }
    }
}
