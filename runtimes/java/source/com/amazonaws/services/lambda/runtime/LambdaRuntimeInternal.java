package com.amazonaws.services.lambda.runtime;

/** Between AWS's log4j appender and the runtime: whether the request's id is to be put into log4j's context. */
public final class LambdaRuntimeInternal {
    private static boolean useLog4jAppender;

    private LambdaRuntimeInternal() {}

    /** Said by the appender. */
    public static void setUseLog4jAppender(boolean use) {
        useLog4jAppender = use;
    }

    /** Asked before each invocation. */
    public static boolean getUseLog4jAppender() {
        return useLog4jAppender;
    }
}
