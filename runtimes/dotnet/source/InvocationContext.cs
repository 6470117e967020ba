// What a handler is told of its invocation, as the `ILambdaContext` of whichever `Amazon.Lambda.Core` the package brings.
//
// Its interfaces cannot be linked against without choosing a version of them, so proxies implement them, and a member is found
// by its name. A member that a later version adds, and that is not here, answers its type's default.

using System;
using System.Collections.Generic;
using System.Globalization;
using System.Reflection;
using System.Text.Json;

namespace Hearth.Runtime
{
    // Implements an interface; must be open to what is generated from it.
    public class InterfaceProxy : DispatchProxy
    {
        internal Func<MethodInfo, object[], object> Answer { get; set; }

        protected override object Invoke(MethodInfo method, object[] arguments)
        {
            object answer = Answer(method, arguments);
            Type type = method.ReturnType;
            return answer == null && type.IsValueType && type != typeof(void) ? Activator.CreateInstance(type) : answer;
        }
    }

    sealed class InvocationContext
    {
        static readonly MethodInfo CreateProxy = typeof(DispatchProxy).GetMethod(nameof(DispatchProxy.Create), 2, Type.EmptyTypes);
        static readonly DateTime Epoch = new DateTime(1970, 1, 1, 0, 0, 0, DateTimeKind.Utc);

        readonly Invocation invocation;
        readonly object serializer;
        readonly long deadline;
        object clientContext, identity, logger;

        InvocationContext(Invocation invocation, object serializer)
        {
            this.invocation = invocation;
            this.serializer = serializer;
            long.TryParse(invocation["lambda-runtime-deadline-ms"], NumberStyles.Integer, CultureInfo.InvariantCulture, out deadline);
        }

        // What makes a context of this interface for each invocation.
        public static Func<Invocation, object> Factory(Type type, object serializer)
        {
            return invocation => Proxy(type, new InvocationContext(invocation, serializer).Answer);
        }

        static object Proxy(Type type, Func<MethodInfo, object[], object> answer)
        {
            object proxy = CreateProxy.MakeGenericMethod(type, typeof(InterfaceProxy)).Invoke(null, null);
            ((InterfaceProxy)proxy).Answer = answer;
            return proxy;
        }

        object Answer(MethodInfo member, object[] arguments)
        {
            switch (member.Name)
            {
                case "get_AwsRequestId": return invocation.Id;
                case "get_InvokedFunctionArn": return invocation["lambda-runtime-invoked-function-arn"];
                case "get_TraceId": return invocation["lambda-runtime-trace-id"];
                case "get_TenantId": return invocation["lambda-runtime-aws-tenant-id"];
                case "get_FunctionName": return Environment.GetEnvironmentVariable("AWS_LAMBDA_FUNCTION_NAME");
                case "get_FunctionVersion": return Environment.GetEnvironmentVariable("AWS_LAMBDA_FUNCTION_VERSION");
                case "get_LogGroupName": return Environment.GetEnvironmentVariable("AWS_LAMBDA_LOG_GROUP_NAME");
                case "get_LogStreamName": return Environment.GetEnvironmentVariable("AWS_LAMBDA_LOG_STREAM_NAME");
                case "get_MemoryLimitInMB":
                    int.TryParse(Environment.GetEnvironmentVariable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), out int memory);
                    return memory;
                case "get_RemainingTime":
                    return TimeSpan.FromMilliseconds(deadline - (DateTime.UtcNow - Epoch).TotalMilliseconds);
                case "get_ClientContext":
                    return clientContext ?? (clientContext = ClientContext(member.ReturnType, invocation["lambda-runtime-client-context"]));
                case "get_Identity":
                    return identity ?? (identity = Identity(member.ReturnType, invocation["lambda-runtime-cognito-identity"]));
                case "get_Logger": return logger ?? (logger = Proxy(member.ReturnType, Log));
                case "get_Serializer": return serializer;
                default: return null;
            }
        }

        static object ClientContext(Type type, string json)
        {
            JsonElement given = Parse(json);
            object client = null;
            return Proxy(type, (member, arguments) =>
            {
                switch (member.Name)
                {
                    case "get_Environment": return Texts(Member(given, "env"));
                    case "get_Custom": return Texts(Member(given, "custom"));
                    case "get_Client": return client ?? (client = Client(member.ReturnType, Member(given, "client")));
                    default: return null;
                }
            });
        }

        static object Client(Type type, JsonElement given)
        {
            if (given.ValueKind != JsonValueKind.Object)
            {
                return null;
            }
            return Proxy(type, (member, arguments) =>
            {
                switch (member.Name)
                {
                    case "get_AppPackageName": return Text(Member(given, "app_package_name"));
                    case "get_AppTitle": return Text(Member(given, "app_title"));
                    case "get_AppVersionCode": return Text(Member(given, "app_version_code"));
                    case "get_AppVersionName": return Text(Member(given, "app_version_name"));
                    case "get_InstallationId": return Text(Member(given, "installation_id"));
                    default: return null;
                }
            });
        }

        static object Identity(Type type, string json)
        {
            JsonElement given = Parse(json);
            return Proxy(type, (member, arguments) =>
            {
                switch (member.Name)
                {
                    case "get_IdentityId": return Text(Member(given, "cognitoIdentityId"));
                    case "get_IdentityPoolId": return Text(Member(given, "cognitoIdentityPoolId"));
                    default: return null;
                }
            });
        }

        static JsonElement Parse(string json)
        {
            return string.IsNullOrWhiteSpace(json) ? default(JsonElement) : JsonDocument.Parse(json).RootElement;
        }

        static JsonElement Member(JsonElement given, string name)
        {
            return given.ValueKind == JsonValueKind.Object && given.TryGetProperty(name, out JsonElement member) ? member : default(JsonElement);
        }

        static string Text(JsonElement given)
        {
            return given.ValueKind == JsonValueKind.Undefined || given.ValueKind == JsonValueKind.Null ? null : given.ToString();
        }

        static IDictionary<string, string> Texts(JsonElement given)
        {
            if (given.ValueKind != JsonValueKind.Object)
            {
                return null;
            }
            var texts = new Dictionary<string, string>();
            foreach (JsonProperty property in given.EnumerateObject())
            {
                texts[property.Name] = Text(property.Value);
            }
            return texts;
        }

        // `Log`, `LogLine`, and all that name a level, in the method or as its first argument.
        static object Log(MethodInfo method, object[] arguments)
        {
            ParameterInfo[] parameters = method.GetParameters();
            if (parameters.Length == 1 && parameters[0].ParameterType == typeof(string) && (method.Name == "Log" || method.Name == "LogLine"))
            {
                if (method.Name == "Log")
                {
                    Console.Write((string)arguments[0]);
                }
                else
                {
                    FunctionLog.Log(nameof(LogLevel.Information), null, (string)arguments[0], null);
                }
                return null;
            }
            int next = 0;
            // `LogWarning` says it in its name; others are told, as text or as one of an enumeration.
            string level = method.Name == "Log" ? arguments[next++]?.ToString() : method.Name.Substring("Log".Length);
            Exception exception = parameters[next].ParameterType == typeof(Exception) ? (Exception)arguments[next++] : null;
            FunctionLog.Log(level, exception, (string)arguments[next++], next < arguments.Length ? arguments[next] as object[] : null);
            return null;
        }
    }
}
