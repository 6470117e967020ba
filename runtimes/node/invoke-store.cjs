//! `awslambda.InvokeStore`: what SDKs and agents read and write about the current invocation.
//! It refuses changes to what the platform has set.
//! The interface is that of the public npm package `@aws/lambda-invoke-store`, which looks for it there.

'use strict';

const REQUEST_ID = Symbol.for('_AWS_LAMBDA_REQUEST_ID');
const X_RAY_TRACE_ID = Symbol.for('_AWS_LAMBDA_X_RAY_TRACE_ID');
const TENANT_ID = Symbol.for('_AWS_LAMBDA_TENANT_ID');
const PROTECTED = [REQUEST_ID, X_RAY_TRACE_ID, TENANT_ID];

class InvokeStore {
  static PROTECTED_KEYS = { REQUEST_ID, X_RAY_TRACE_ID, TENANT_ID };

  #context;

  contextOf(requestId, xRayTraceId, tenantId) {
    return { [REQUEST_ID]: requestId, [X_RAY_TRACE_ID]: xRayTraceId, [TENANT_ID]: tenantId };
  }

  getContext() {
    return this.#context;
  }

  hasContext() {
    return this.#context !== undefined;
  }

  get(key) {
    return this.#context?.[key];
  }

  set(key, value) {
    if (this.isProtectedKey(key)) throw new Error(`Cannot modify protected Lambda context field: ${String(key)}`);
    this.#context ??= {};
    this.#context[key] = value;
  }

  run(context, call) {
    this.#context = context;
    return call();
  }

  isProtectedKey(key) {
    return PROTECTED.includes(key);
  }

  getRequestId() {
    return this.get(REQUEST_ID) ?? '-';
  }

  getXRayTraceId() {
    return this.get(X_RAY_TRACE_ID);
  }

  getTenantId() {
    return this.get(TENANT_ID);
  }
}

/** Makes the store of this process, and shows it under `awslambda`, where that is wanted. */
function installInvokeStore() {
  const store = new InvokeStore();
  if (globalThis.awslambda) globalThis.awslambda.InvokeStore ??= store;
  return globalThis.awslambda?.InvokeStore ?? store;
}

module.exports = { installInvokeStore };
