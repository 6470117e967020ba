package hearth.runtime;

import com.amazonaws.services.lambda.runtime.LambdaRuntimeInternal;

/** Puts the request's id into log4j's context, for functions that log through AWS's appender. */
final class Log4j {
    private Log4j() {}

    static void tell(InvocationContext context) {
        if (!LambdaRuntimeInternal.getUseLog4jAppender()) {
            return;
        }
        boolean told = put("org.apache.log4j.MDC", Object.class, context);
        told |= put("org.apache.logging.log4j.ThreadContext", String.class, context);
        if (!told) {
            System.err.println("Customer using log4j appender but unable to load either "
                    + "org.apache.log4j.MDC or org.apache.logging.log4j.ThreadContext. "
                    + "Customer cannot see RequestId in log4j log lines.");
        }
    }

    private static boolean put(String className, Class<?> valueType, InvocationContext context) {
        try {
            Class<?> type = Class.forName(className, true, Thread.currentThread().getContextClassLoader());
            type.getMethod("put", String.class, valueType).invoke(null, "AWSRequestId", context.getAwsRequestId());
            return true;
        } catch (ReflectiveOperationException absent) {
            // A function has one of the two at most.
            return false;
        }
    }
}
