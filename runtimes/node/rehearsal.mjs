//! Nothing: a stem cell imports it, so that Node has imported a module before the function's.

export {};
