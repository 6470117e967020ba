package com.amazonaws.services.lambda.runtime;

/**
 * What a handler is told of its invocation.
 *
 * @see <a href="https://docs.aws.amazon.com/lambda/latest/dg/java-context.html">the developer guide</a>
 */
public interface Context {
    /** The invocation's id. */
    String getAwsRequestId();

    /** The log group. */
    String getLogGroupName();

    /** The log stream. */
    String getLogStreamName();

    /** The function's name. */
    String getFunctionName();

    /** The version that runs. */
    String getFunctionVersion();

    /** The ARN that was invoked. */
    String getInvokedFunctionArn();

    /** The Cognito identity of the caller, or null. */
    CognitoIdentity getIdentity();

    /** What the caller gave with it, or null. */
    ClientContext getClientContext();

    /** Milliseconds until the invocation times out. */
    int getRemainingTimeInMillis();

    /** The function's memory. */
    int getMemoryLimitInMB();

    /** The function's log. */
    LambdaLogger getLogger();

    /** The tenant, of a function that isolates tenants; else null. */
    default String getTenantId() {
        return null;
    }

    /** The X-Ray trace header, or null. */
    default String getXrayTraceId() {
        return null;
    }
}
