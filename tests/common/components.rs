//! Components made of what the core modules are: the same guests, under WASI's other interface.

use wasi_preview1_component_adapter_provider as adapter;
use wit_component::ComponentEncoder;

/// The component of a preview 1 command, in bytes or in text.
pub(crate) fn componentize(module: &[u8]) -> Vec<u8> {
    let module = wat::parse_bytes(module).expect("it is a module");
    let encoder = ComponentEncoder::default().validate(true).module(&module).expect("it has no other world");
    let name = adapter::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME;
    let of_command = adapter::WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER;
    let mut encoder = encoder.adapter(name, of_command).expect("the adapter fits");
    encoder.encode().expect("it can be a component")
}
