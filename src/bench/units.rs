//! Figures as people read them: three digits and the unit that fits.

/// Nanoseconds: `312 ns`, `8.41 µs`, `320 ms`, `1.20 s`.
pub fn time(nanoseconds: u64) -> String {
    scaled(nanoseconds as f64, &[(1.0, "ns"), (1e3, "µs"), (1e6, "ms"), (1e9, "s")])
}

/// Bytes in powers of 1024: `53.2 KiB`. Negative ones, too: a slope may be.
pub fn bytes(count: f64) -> String {
    let sign = if count < 0.0 { "-" } else { "" };
    let units = [(1.0, "B"), (1024.0, "KiB"), (1_048_576.0, "MiB"), (1_073_741_824.0, "GiB")];
    format!("{sign}{}", scaled(count.abs(), &units))
}

fn scaled(value: f64, units: &[(f64, &str)]) -> String {
    // 999.6 would be written as 1000: it belongs to the next unit.
    let fits = |unit: &&(f64, &str)| value / unit.0 >= 0.9995;
    let (size, name) = units.iter().rev().find(fits).or(units.first()).copied().unwrap_or((1.0, ""));
    let scaled = value / size;
    let digits = match scaled {
        _ if size <= 1.0 && (scaled - scaled.round()).abs() < 1e-9 => 0,
        _ if scaled >= 99.95 => 0,
        _ if scaled >= 9.995 => 1,
        _ => 2,
    };
    format!("{scaled:.digits$} {name}")
}

/// A share as a percentage: `12 %`, `0.40 %`.
pub fn percent(share: f64) -> String {
    let value = share * 100.0;
    let digits = if value >= 9.95 || value == 0.0 {
        0
    } else if value >= 0.995 {
        1
    } else {
        2
    };
    format!("{value:.digits$} %")
}

/// A whole number in groups of three: `20,000`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_a_unit() {
        let found =
            [0, 312, 999, 8_412, 99_960, 999_600, 320_400_000, 1_200_000_000, 61_000_000_000].map(time);
        assert_eq!(
            found,
            ["0 ns", "312 ns", "999 ns", "8.41 µs", "100 µs", "1.00 ms", "320 ms", "1.20 s", "61.0 s"]
        );
        assert_eq!([0.0, 512.0, 54_477.0, -2048.0].map(bytes), ["0 B", "512 B", "53.2 KiB", "-2.00 KiB"]);
        assert_eq!([0.0, 0.004, 0.05, 0.5].map(percent), ["0 %", "0.40 %", "5.0 %", "50 %"]);
        assert_eq!([7, 1_000, 1_234_567].map(count), ["7", "1,000", "1,234,567"]);
    }
}
