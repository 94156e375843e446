//! Numbers as C prints them.

/// `%.{precision}g`.
pub(super) fn general(value: f64, precision: usize) -> String {
    if value.is_nan() {
        return if value.is_sign_negative() { "-nan" } else { "nan" }.to_owned();
    }
    if value.is_infinite() {
        return if value < 0.0 { "-inf" } else { "inf" }.to_owned();
    }
    let precision = precision.max(1);
    let scientific = format!("{:.*e}", precision - 1, value);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if exponent < -4 || exponent >= precision as i32 {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trim(mantissa), exponent.unsigned_abs());
    }
    trim(&format!("{:.*}", (precision as i32 - 1 - exponent).max(0) as usize, value))
}

#[cfg(test)]
mod tests {
    use super::general;

    #[test]
    fn numbers_print_as_c_prints_them() {
        for (value, precision, text) in [
            (0.0, 14, "0"),
            (-0.0, 14, "-0"),
            (1.0, 14, "1"),
            (0.1, 14, "0.1"),
            (0.1, 17, "0.10000000000000001"),
            (10.0 / 3.0, 14, "3.3333333333333"),
            (1e15, 14, "1e+15"),
            (1e-5, 14, "1e-05"),
            (0.0001, 14, "0.0001"),
            (123_456_789.0, 3, "1.23e+08"),
            (1e100, 17, "1e+100"),
            (100.0, 1, "1e+02"),
            (f64::INFINITY, 14, "inf"),
        ] {
            assert_eq!(general(value, precision), text);
        }
    }
}
