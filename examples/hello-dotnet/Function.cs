using System;
using System.Text.Json.Serialization;
using Amazon.Lambda.Core;
using Amazon.Lambda.Serialization.SystemTextJson;

[assembly: LambdaSerializer(typeof(DefaultLambdaJsonSerializer))]

namespace Example
{
    public class Request
    {
        [JsonPropertyName("name")]
        public string Name { get; set; }
    }

    public class Greeting
    {
        [JsonPropertyName("message")]
        public string Message { get; set; }

        [JsonPropertyName("function")]
        public string Function { get; set; }

        [JsonPropertyName("requestId")]
        public string RequestId { get; set; }

        [JsonPropertyName("remainingMillis")]
        public long RemainingMillis { get; set; }
    }

    public class Function
    {
        public Greeting Handle(Request request, ILambdaContext context)
        {
            string name = request.Name ?? "world";
            context.Logger.LogLine($"greeting {name}");
            return new Greeting
            {
                Message = $"Hello, {name}!",
                Function = context.FunctionName,
                RequestId = context.AwsRequestId,
                RemainingMillis = (long)context.RemainingTime.TotalMilliseconds,
            };
        }
    }
}
