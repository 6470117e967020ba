// The runtime's entry: loads the function that the handler's name means, then answers one invocation after the other.

using System;
using System.IO;

namespace Hearth.Runtime
{
    static class Bootstrap
    {
        const string TraceVariable = "_X_AMZN_TRACE_ID";

        // Ends only when the function cannot be loaded or the Runtime API is gone.
        static void Main(string[] arguments)
        {
            FunctionLog.Open();
            var client = new RuntimeClient(Environment.GetEnvironmentVariable("AWS_LAMBDA_RUNTIME_API"));
            IFunction function;
            try
            {
                function = FunctionLoader.Load(arguments.Length > 0 ? arguments[0] : null);
            }
            catch (Exception exception)
            {
                Console.Error.WriteLine(exception);
                client.PostInitError(ErrorDocument.Of(exception));
                // AWS: the process dies of it, and the log shows how.
                throw;
            }
            while (true)
            {
                Answer(client, function);
            }
        }

        static void Answer(RuntimeClient client, IFunction function)
        {
            Invocation invocation = client.Next();
            Environment.SetEnvironmentVariable(TraceVariable, invocation["lambda-runtime-trace-id"]);
            FunctionLog.RequestId = invocation.Id;
            var answer = new MemoryStream();
            try
            {
                function.Call(new MemoryStream(invocation.Body), invocation, answer);
            }
            catch (Exception exception)
            {
                Console.Error.WriteLine(exception);
                client.PostError(invocation.Id, ErrorDocument.Of(exception), exception.GetType().Name);
                return;
            }
            client.PostResponse(invocation.Id, answer);
        }
    }
}
