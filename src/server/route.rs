//! Paths, matched by hand: this runs for every request.

/// Where a path leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    /// `/r/<name>`, and what follows it.
    Function {
        name: &'a str,
        rest: &'a str,
    },
    Health,
    Ready,
    Metrics,
    Functions,
    Pool,
    Nothing,
}

impl<'a> Route<'a> {
    pub(super) fn of(path: &'a str) -> Self {
        if let Some(after) = path.strip_prefix("/r/") {
            let end = after.find('/').unwrap_or(after.len());
            return match after.split_at_checked(end) {
                Some((name, rest)) if !name.is_empty() => Self::Function { name, rest },
                _ => Self::Nothing,
            };
        }
        match path {
            "/healthz" => Self::Health,
            "/readyz" => Self::Ready,
            "/metrics" => Self::Metrics,
            "/_kiln/functions" => Self::Functions,
            "/_kiln/pool" => Self::Pool,
            _ => Self::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_where_they_should() {
        let function = |name, rest| Route::Function { name, rest };
        for (path, route) in [
            ("/r/echo", function("echo", "")),
            ("/r/echo/", function("echo", "/")),
            ("/r/echo/a/b", function("echo", "/a/b")),
            ("/r/echo//", function("echo", "//")),
            ("/r/", Route::Nothing),
            ("/r//a", Route::Nothing),
            ("/r", Route::Nothing),
            ("/", Route::Nothing),
            ("*", Route::Nothing),
            ("", Route::Nothing),
            ("/healthz", Route::Health),
            ("/healthz/", Route::Nothing),
            ("/readyz", Route::Ready),
            ("/metrics", Route::Metrics),
            ("/_kiln/functions", Route::Functions),
            ("/_kiln/pool", Route::Pool),
        ] {
            assert_eq!(Route::of(path), route, "{path}");
        }
    }
}
