// A stand-in for AWS's package Amazon.Lambda.Serialization.SystemTextJson, which tests cannot fetch: the one serializer of it
// that functions name, over the JSON of .NET itself.

using System.IO;
using System.Text.Json;
using Amazon.Lambda.Core;

namespace Amazon.Lambda.Serialization.SystemTextJson
{
    public class DefaultLambdaJsonSerializer : ILambdaSerializer
    {
        static readonly JsonSerializerOptions Options = new JsonSerializerOptions { PropertyNameCaseInsensitive = true };

        public T Deserialize<T>(Stream requestStream)
        {
            var whole = new MemoryStream();
            requestStream.CopyTo(whole);
            return JsonSerializer.Deserialize<T>(whole.ToArray(), Options);
        }

        public void Serialize<T>(T response, Stream responseStream)
        {
            using (var writer = new Utf8JsonWriter(responseStream))
            {
                JsonSerializer.Serialize(writer, response, Options);
            }
        }
    }
}
