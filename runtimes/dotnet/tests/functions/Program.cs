// A function that is a program of its own: it speaks the Runtime API itself, as Amazon.Lambda.RuntimeSupport would, and answers
// each event with itself.

using System;
using System.Linq;
using System.Net.Http;
using System.Threading.Tasks;

public static class Program
{
    public static void Main(string[] arguments)
    {
        Run().GetAwaiter().GetResult();
    }

    static async Task Run()
    {
        string root = "http://" + Environment.GetEnvironmentVariable("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/";
        var client = new HttpClient { Timeout = TimeSpan.FromHours(12) };
        while (true)
        {
            HttpResponseMessage next = await client.GetAsync(root + "next");
            string id = next.Headers.GetValues("Lambda-Runtime-Aws-Request-Id").Single();
            byte[] body = await next.Content.ReadAsByteArrayAsync();
            await client.PostAsync(root + id + "/response", new ByteArrayContent(body));
        }
    }
}
