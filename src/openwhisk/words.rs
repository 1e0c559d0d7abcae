//! Sentences of OpenWhisk's controller that its clients show or look for (`common/scala/.../http/ErrorResponse.scala`).

pub(super) const MISSING: &str = "The requested resource does not exist.";
pub(super) const NOT_FOUND: &str = "The requested resource could not be found.";
pub(super) const INTERNAL: &str = "There was an internal server error.";
pub(super) const NO_AUTH: &str =
    "The resource requires authentication, which was not supplied with the request";
pub(super) const BAD_AUTH: &str = "The supplied authentication is invalid";
pub(super) const EXISTS: &str = "resource already exists";
pub(super) const NO_EXEC: &str = "exec undefined";
pub(super) const NOT_ON_BINDING: &str = "Operation not permitted on package binding.";
pub(super) const BINDING_MISSING: &str = "Binding references a package that does not exist.";
pub(super) const PACKAGE_NOT_BINDING: &str = "Resource is a package and cannot be converted into a binding.";
pub(super) const BINDING_OF_BINDING: &str = "Cannot bind to another package binding.";
pub(super) const NAME_ILLEGAL: &str = "The name of the entity contains illegal characters.";
pub(super) const NAMESPACE_ILLEGAL: &str = "The namespace contains illegal characters.";
pub(super) const ID_ILLEGAL: &str = "The activation id is not valid.";
pub(super) const RESERVED: &str =
    "Request defines parameters that are not allowed (e.g., reserved properties).";
pub(super) const DOCS_WITH_COUNT: &str = "The parameter 'docs' is not permitted with 'count'.";
pub(super) const OVERLOADED: &str = "Too many concurrent requests in flight.";
pub(super) const NOT_READY: &str = "Response not yet ready.";
pub(super) const PROCESSING: &str = "There was an error processing your request.";
pub(super) const NO_PROPERTY: &str = "Response does not include requested property.";
pub(super) const UNKNOWN_TYPE: &str = "Response did not specify a known content-type.";
pub(super) const TYPE_MISMATCH: &str = "Response type in header did not match generated content type.";
pub(super) const OUT_OF_MEMORY: &str = "The action exhausted its memory and was aborted.";
pub(super) const NO_RESOURCES: &str = "Failed to provision resources to run the action.";
pub(super) const NOT_QUALIFIED: &str =
    "The fully qualified name of the entity must contain at least the namespace and the name of the entity.";
pub(super) const NO_COMPONENTS: &str = "No component specified for the sequence.";
pub(super) const TOO_MANY_COMPONENTS: &str = "Too many actions in the sequence.";
pub(super) const CYCLE: &str = "Sequence may not refer to itself.";
pub(super) const COMPONENT_MISSING: &str = "Sequence component does not exist.";
pub(super) const RULE_INCOMPLETE: &str = "rule requires a valid trigger and a valid action";
pub(super) const RULE_WITHOUT_TRIGGER: &str = "Only rules with existing triggers can be activated";
pub(super) const FEED_INVALID: &str = "Feed name is not valid";
pub(super) const REMOVED: &str = "Action could not be found or may have been deleted.";

/// A name that is longer than one can be.
pub(super) fn too_long(field: &str, is: usize) -> String {
    format!("{field} longer than allowed: {is} > {}.", super::name::MAX)
}

/// A kind that no runtime has.
pub(super) fn unknown_kind(kind: &str, known: &[String]) -> String {
    let known: Vec<_> = known.iter().map(|kind| format!("'{kind}'")).collect();
    format!(
        "The specified runtime '{kind}' is not supported by this platform. Valid values are: {}.",
        known.join(", ")
    )
}

/// A run that took too long.
pub(super) fn timed_out(milliseconds: u64, init: bool) -> String {
    let when = if init { " during initialization." } else { "." };
    format!("The action exceeded its time limits of {milliseconds} milliseconds{when}")
}

/// A result that isn't one.
pub(super) fn not_json(answer: &str) -> String {
    let shown = if answer.is_empty() { ".".into() } else { format!(": {answer}") };
    format!("The action did not produce a valid JSON or JSON Array response{shown}")
}

/// A result that is too long.
pub(super) fn truncated(kept: &str, is: usize, allowed: u64) -> String {
    format!(
        "The action produced a response that exceeded the allowed length: {is} > {allowed} bytes. The truncated response \
         was: {kept}"
    )
}

/// A reply that isn't of the type that the caller's extension names.
pub(super) fn invalid_media(media: &str) -> String {
    format!("Response is not valid '{media}'.")
}
