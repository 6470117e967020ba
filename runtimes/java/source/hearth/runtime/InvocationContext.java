package hearth.runtime;

import com.amazonaws.services.lambda.runtime.Client;
import com.amazonaws.services.lambda.runtime.ClientContext;
import com.amazonaws.services.lambda.runtime.CognitoIdentity;
import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.LambdaLogger;
import hearth.runtime.json.JsonReader;
import java.util.LinkedHashMap;
import java.util.Map;

/** What a handler is told of one invocation: by its headers, and by the function's environment variables. */
final class InvocationContext implements Context {
    private final RuntimeClient.Invocation invocation;
    private final long deadlineMs;
    private final CognitoIdentity identity;
    private final ClientContext clientContext;

    InvocationContext(RuntimeClient.Invocation invocation) {
        this.invocation = invocation;
        String deadline = invocation.header("lambda-runtime-deadline-ms");
        deadlineMs = deadline == null ? 0 : Long.parseLong(deadline);
        Map<?, ?> cognito = object("lambda-runtime-cognito-identity");
        identity = cognito == null ? null : new Identity(text(cognito, "cognitoIdentityId"), text(cognito, "cognitoIdentityPoolId"));
        Map<?, ?> given = object("lambda-runtime-client-context");
        clientContext = given == null ? null : new Given(application(given.get("client")), texts(given.get("custom")), texts(given.get("env")));
    }

    private record Identity(String getIdentityId, String getIdentityPoolId) implements CognitoIdentity {}

    private record Given(Client getClient, Map<String, String> getCustom, Map<String, String> getEnvironment)
            implements ClientContext {}

    private record Application(
            String getInstallationId,
            String getAppTitle,
            String getAppVersionName,
            String getAppVersionCode,
            String getAppPackageName)
            implements Client {}

    private static Client application(Object json) {
        if (!(json instanceof Map<?, ?> client)) {
            return null;
        }
        return new Application(
                text(client, "installation_id"),
                text(client, "app_title"),
                text(client, "app_version_name"),
                text(client, "app_version_code"),
                text(client, "app_package_name"));
    }

    private Map<?, ?> object(String header) {
        String json = invocation.header(header);
        return json == null || json.isEmpty() ? null : JsonReader.read(json) instanceof Map<?, ?> map ? map : null;
    }

    private static String text(Map<?, ?> object, String name) {
        Object value = object.get(name);
        return value == null ? null : value.toString();
    }

    private static Map<String, String> texts(Object json) {
        if (!(json instanceof Map<?, ?> map)) {
            return null;
        }
        Map<String, String> texts = new LinkedHashMap<>();
        map.forEach((name, value) -> texts.put(name.toString(), value == null ? null : value.toString()));
        return texts;
    }

    @Override
    public String getAwsRequestId() {
        return invocation.id();
    }

    @Override
    public String getLogGroupName() {
        return System.getenv("AWS_LAMBDA_LOG_GROUP_NAME");
    }

    @Override
    public String getLogStreamName() {
        return System.getenv("AWS_LAMBDA_LOG_STREAM_NAME");
    }

    @Override
    public String getFunctionName() {
        return System.getenv("AWS_LAMBDA_FUNCTION_NAME");
    }

    @Override
    public String getFunctionVersion() {
        return System.getenv("AWS_LAMBDA_FUNCTION_VERSION");
    }

    @Override
    public String getInvokedFunctionArn() {
        return invocation.header("lambda-runtime-invoked-function-arn");
    }

    @Override
    public CognitoIdentity getIdentity() {
        return identity;
    }

    @Override
    public ClientContext getClientContext() {
        return clientContext;
    }

    @Override
    public int getRemainingTimeInMillis() {
        return (int) Math.max(0, Math.min(Integer.MAX_VALUE, deadlineMs - System.currentTimeMillis()));
    }

    @Override
    public int getMemoryLimitInMB() {
        return Integer.parseInt(System.getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"));
    }

    @Override
    public LambdaLogger getLogger() {
        return FunctionLog.INSTANCE;
    }

    @Override
    public String getTenantId() {
        return invocation.header("lambda-runtime-aws-tenant-id");
    }

    @Override
    public String getXrayTraceId() {
        return invocation.header("lambda-runtime-trace-id");
    }
}
