package com.amazonaws.services.lambda.runtime;

import hearth.runtime.FunctionLog;

/** Gives the log to code that has no {@link Context}. */
public final class LambdaRuntime {
    private LambdaRuntime() {}

    /** The function's log. */
    public static LambdaLogger getLogger() {
        return FunctionLog.INSTANCE;
    }
}
