//! Extensions of web actions: as what a result is taken.

/// As what a result is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    /// `{"statusCode", "headers", "body"}`; what holds where there is no extension.
    Http,
    Json,
    Html,
    Svg,
    Text,
}

impl Media {
    const ALL: [(&'static str, Self); 5] = [
        (".http", Self::Http),
        (".json", Self::Json),
        (".html", Self::Html),
        (".svg", Self::Svg),
        (".text", Self::Text),
    ];

    /// A name without its extension, and what that says.
    pub(super) fn of(name: &str) -> (&str, Self) {
        let known = Self::ALL.iter().find_map(|(extension, media)| {
            name.strip_suffix(extension).filter(|base| !base.is_empty()).map(|base| (base, *media))
        });
        known.unwrap_or((name, Self::Http))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extension_that_isnt_known_is_part_of_the_name() {
        assert_eq!(Media::of("a.json"), ("a", Media::Json));
        assert_eq!(Media::of("a.b.html"), ("a.b", Media::Html));
        assert_eq!(Media::of("a.png"), ("a.png", Media::Http));
        assert_eq!(Media::of(".json"), (".json", Media::Http));
    }
}
