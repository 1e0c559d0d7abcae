//! What the cases' source functions are in JavaScript, for the runtime `js` on either backend.

use super::Program;

pub fn source(program: Program) -> &'static str {
    match program {
        Program::Echo => "const main = (params) => params;",
        Program::Count => "let count = 0;\nfunction main() {\n  count += 1;\n  return { count };\n}\n",
        Program::Env => "const main = () => ({ LEVEL: process.env.LEVEL ?? null });",
        Program::Broken => "const fine = 1;\nthrow new Error('broken');\n",
        Program::Endless => "for (;;) {}",
    }
}
