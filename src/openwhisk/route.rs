//! Paths under `/api/v1`, and the two beside it that OpenWhisk's controller answers at.

use super::name;
use super::query::decoded;
use super::refusal::{Refusal, Result};

/// Where the API begins.
const PREFIX: &str = "/api/v1";

/// Where a path leads. Names are decoded and can be; namespaces are as they stand, `_` included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// `/`: what the controller says of itself.
    Controller,
    /// `/ping`.
    Ping,
    /// `/api/v1`: what the API says of itself.
    Api,
    /// `/namespaces`.
    Namespaces,
    /// `/namespaces/{ns}`.
    Namespace(String),
    /// `/namespaces/{ns}/limits`.
    Limits(String),
    /// `/namespaces/{ns}/{collection}`.
    List(String, Collection),
    /// `/namespaces/{ns}/actions/{package}/`.
    PackageActions(String, String),
    /// `/namespaces/{ns}/actions/[package/]{name}`.
    Action(name::ActionName),
    /// `/namespaces/{ns}/packages/{name}`.
    Package(String, String),
    /// `/namespaces/{ns}/activations/{id}[/logs|result]`.
    Activation(String, String, Part),
    /// `/namespaces/{ns}/triggers/{name}`.
    Trigger(String, String),
    /// `/namespaces/{ns}/rules/{name}`.
    Rule(String, String),
    /// `/web/{ns}/{package}/{action}[.ext][/path]`: the path is as it was sent.
    Web(name::ActionName, String),
    /// Nothing is there.
    Nothing,
}

/// What has lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Collection {
    Actions,
    Packages,
    Activations,
    Triggers,
    Rules,
}

impl Collection {
    fn of(segment: &str) -> Option<Self> {
        Some(match segment {
            "actions" => Self::Actions,
            "packages" => Self::Packages,
            "activations" => Self::Activations,
            "triggers" => Self::Triggers,
            "rules" => Self::Rules,
            _ => return None,
        })
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Actions => "actions",
            Self::Packages => "packages",
            Self::Activations => "activations",
            Self::Triggers => "triggers",
            Self::Rules => "rules",
        }
    }
}

/// What of an activation is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    Logs,
    Result,
}

/// Whether a path is OpenWhisk's to answer.
pub(crate) fn is_ours(path: &str) -> bool {
    matches!(path, "/" | "/ping")
        || path.strip_prefix(PREFIX).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Route {
    /// Where a path leads. `Err` where a name in it can't be.
    pub(super) fn of(path: &str) -> Result<Self> {
        let Some(rest) = path.strip_prefix(PREFIX) else {
            return Ok(match path {
                "/" => Self::Controller,
                "/ping" => Self::Ping,
                _ => Self::Nothing,
            });
        };
        let rest = rest.strip_prefix('/').unwrap_or(rest);
        if let Some(web) = rest.strip_prefix("web/") {
            return web_action(web);
        }
        let slash = rest.ends_with('/');
        let segments: Vec<_> = rest.trim_end_matches('/').split('/').map(decoded).collect();
        let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
        match *segments.as_slice() {
            [""] => Ok(Self::Api),
            ["namespaces"] => Ok(Self::Namespaces),
            ["namespaces", ns] => Ok(Self::Namespace(name::namespace(ns)?.into())),
            ["namespaces", ns, "limits"] => Ok(Self::Limits(name::namespace(ns)?.into())),
            ["namespaces", ns, collection, ref names @ ..] => match Collection::of(collection) {
                None => Ok(Self::Nothing),
                Some(collection) => within(name::namespace(ns)?, collection, names, slash),
            },
            _ => Ok(Self::Nothing),
        }
    }
}

fn within(ns: &str, collection: Collection, names: &[&str], slash: bool) -> Result<Route> {
    let ns = ns.to_owned();
    let action = |package: Option<&str>, of: &str| -> Result<Route> {
        let package = package.map(|package| name::entity(package).map(str::to_owned)).transpose()?;
        Ok(Route::Action(name::ActionName { namespace: ns.clone(), package, name: name::entity(of)?.into() }))
    };
    match (collection, names) {
        (_, []) => Ok(Route::List(ns, collection)),
        (Collection::Actions, [package]) if slash => {
            Ok(Route::PackageActions(ns.clone(), name::entity(package)?.into()))
        }
        (Collection::Actions, [name]) => action(None, name),
        (Collection::Actions, [package, name]) => action(Some(package), name),
        (Collection::Packages, [name]) => Ok(Route::Package(ns, name::entity(name)?.into())),
        (Collection::Activations, [id]) => Ok(Route::Activation(ns, activation(id)?, Part::Whole)),
        (Collection::Activations, [id, "logs"]) => Ok(Route::Activation(ns, activation(id)?, Part::Logs)),
        (Collection::Activations, [id, "result"]) => Ok(Route::Activation(ns, activation(id)?, Part::Result)),
        (Collection::Triggers, [name]) => Ok(Route::Trigger(ns, name::entity(name)?.into())),
        (Collection::Rules, [name]) => Ok(Route::Rule(ns, name::entity(name)?.into())),
        _ => Ok(Route::Nothing),
    }
}

/// An activation's id: 32 lower-case hexadecimal digits.
fn activation(id: &str) -> Result<String> {
    if id.len() != 32 {
        return Err(Refusal::bad(format!("Activation id length is {} but must be 32.", id.len())));
    }
    match id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        true => Ok(id.to_owned()),
        false => Err(Refusal::bad(super::words::ID_ILLEGAL)),
    }
}

fn web_action(path: &str) -> Result<Route> {
    let mut segments = path.splitn(4, '/');
    let (Some(ns), Some(package), Some(of)) = (segments.next(), segments.next(), segments.next()) else {
        return Ok(Route::Nothing);
    };
    let names = [decoded(ns), decoded(package), decoded(of)];
    if !names.iter().all(|name| name::is_name(name)) {
        return Ok(Route::Nothing);
    }
    let [namespace, package, of] = names.map(std::borrow::Cow::into_owned);
    let package = (package != name::NO_PACKAGE).then_some(package);
    let rest = segments.next().map(|rest| format!("/{rest}")).unwrap_or_default();
    Ok(Route::Web(name::ActionName { namespace, package, name: of }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(package: Option<&str>, name: &str) -> name::ActionName {
        name::ActionName { namespace: "_".into(), package: package.map(str::to_owned), name: name.into() }
    }

    #[test]
    fn paths_lead_where_they_should() {
        let id = "0123456789abcdef0123456789abcdef";
        let ns = || "_".to_owned();
        for (path, route) in [
            ("/".to_owned(), Route::Controller),
            ("/api/v1".into(), Route::Api),
            ("/api/v1/".into(), Route::Api),
            ("/api/v1/namespaces/".into(), Route::Namespaces),
            ("/api/v1/namespaces/_".into(), Route::Namespace(ns())),
            ("/api/v1/namespaces/_/limits".into(), Route::Limits(ns())),
            ("/api/v1/namespaces/_/actions".into(), Route::List(ns(), Collection::Actions)),
            ("/api/v1/namespaces/_/actions/".into(), Route::List(ns(), Collection::Actions)),
            ("/api/v1/namespaces/_/rules".into(), Route::List(ns(), Collection::Rules)),
            ("/api/v1/namespaces/_/actions/a%20b".into(), Route::Action(action(None, "a b"))),
            ("/api/v1/namespaces/_/actions/p/a".into(), Route::Action(action(Some("p"), "a"))),
            ("/api/v1/namespaces/_/actions/p/".into(), Route::PackageActions(ns(), "p".into())),
            ("/api/v1/namespaces/_/packages/p".into(), Route::Package(ns(), "p".into())),
            (
                format!("/api/v1/namespaces/_/activations/{id}/logs"),
                Route::Activation(ns(), id.into(), Part::Logs),
            ),
            ("/api/v1/namespaces/_/triggers/t".into(), Route::Trigger(ns(), "t".into())),
            ("/api/v1/namespaces/_/rules/r".into(), Route::Rule(ns(), "r".into())),
            ("/api/v1/web/_/default/a.json".into(), Route::Web(action(None, "a.json"), String::new())),
            ("/api/v1/web/_/p/a/x/%20y/".into(), Route::Web(action(Some("p"), "a"), "/x/%20y/".into())),
            ("/api/v1/web/_/p".into(), Route::Nothing),
            ("/api/v1/other".into(), Route::Nothing),
            ("/api/v1/namespaces/_/actions/a/b/c".into(), Route::Nothing),
        ] {
            assert_eq!(Route::of(&path), Ok(route), "{path}");
            assert!(is_ours(&path), "{path}");
        }
        assert!(!is_ours("/api/v10") && !is_ours("/r/x") && !is_ours("/api"));
    }

    #[test]
    fn names_that_cannot_be_are_said() {
        for (path, text) in [
            ("/api/v1/namespaces/_/actions/%2F", "illegal characters"),
            ("/api/v1/namespaces/!/actions", "The namespace contains"),
            ("/api/v1/namespaces/_/activations/abc", "Activation id length is 3 but must be 32."),
            ("/api/v1/namespaces/_/activations/0123456789ABCDEF0123456789abcdef", "is not valid"),
        ] {
            let refusal = Route::of(path).unwrap_err();
            assert_eq!(refusal.status, 400);
            assert!(refusal.text.contains(text), "{path}: {}", refusal.text);
        }
    }
}
