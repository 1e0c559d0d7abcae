//! The runtimes that a server offers: those of its manifest, and those that are built in.

use crate::function::Format;
use crate::openwhisk::API_HOST;
use crate::runtime::Runtime;

/// The manifest's runtimes, and beside them what is built in and goes by none of their names. `api_host` is what actions in
/// images find in their environment from their start.
pub(super) fn offered(declared: &[Runtime], api_host: Option<&str>) -> Vec<Runtime> {
    let mut all = declared.to_vec();
    for mut runtime in built_in() {
        let is_taken = |name: &str| declared.iter().any(|known| known.is_called(name));
        if !is_taken(&runtime.name) {
            runtime.kinds.retain(|kind| !is_taken(kind));
            all.push(runtime);
        }
    }
    if let Some(host) = api_host {
        for runtime in all.iter_mut().filter(|runtime| runtime.format == Format::Openwhisk) {
            runtime.env.entry(API_HOST.into()).or_insert_with(|| host.into());
        }
    }
    all
}

fn built_in() -> Vec<Runtime> {
    #[cfg(feature = "js")]
    return vec![Runtime::js()];
    #[cfg(not(feature = "js"))]
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_declared_wins_over_what_is_built_in() {
        let own = Runtime::new("js").image("js:1");
        assert_eq!(offered(std::slice::from_ref(&own), None), [own]);
        let node = Runtime::new("node").image("node:1").kind("nodejs:default");
        let all = offered(std::slice::from_ref(&node), None);
        assert_eq!(all.len(), 1 + built_in().len());
        for js in all.iter().filter(|runtime| runtime.name == "js") {
            assert!(js.is_called("nodejs") && !js.is_called("nodejs:default"));
            js.validate().unwrap();
        }
    }

    #[test]
    fn images_that_keep_openwhisks_contract_are_told_where_the_api_is() {
        let mut node = Runtime::new("node").image("node:1");
        node.format = Format::Openwhisk;
        let all = offered(&[node, Runtime::new("other").image("x:1")], Some("http://here:1"));
        let told: Vec<_> = all.iter().map(|runtime| runtime.env.get(API_HOST).map(String::as_str)).collect();
        assert_eq!(told.get(..2), Some(&[Some("http://here:1"), None][..]));
    }
}
