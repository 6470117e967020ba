// Handlers of every kind, for the tests of the runtime.

using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using System.Threading.Tasks;
using Amazon.Lambda.Core;
using Amazon.Lambda.Serialization.SystemTextJson;

[assembly: LambdaSerializer(typeof(DefaultLambdaJsonSerializer))]

namespace Cases
{
    public class Point
    {
        public int X { get; set; }

        public int? Y { get; set; }

        public List<Point> More { get; set; }
    }

    public struct Pair
    {
        public string Left { get; set; }

        public string Right { get; set; }
    }

    public class LoudSerializer : ILambdaSerializer
    {
        public T Deserialize<T>(Stream requestStream)
        {
            return (T)(object)new StreamReader(requestStream).ReadToEnd().ToUpperInvariant();
        }

        public void Serialize<T>(T response, Stream responseStream)
        {
            byte[] text = Encoding.UTF8.GetBytes("[\"" + response + "\"]");
            responseStream.Write(text, 0, text.Length);
        }
    }

    public class MistakenException : Exception
    {
        public MistakenException(string message, Exception inner)
            : base(message, inner)
        {
        }
    }

    // Methods by their parameters and what they return.
    public class Shapes
    {
        static int made;

        public Shapes()
        {
            made++;
        }

        public string Nothing() => "nothing given";

        public Point Poco(Point point) => new Point { X = point.X + 1, Y = point.Y, More = point.More };

        public string Context(ILambdaContext context) => context.AwsRequestId;

        public string Both(string text, ILambdaContext context) => text + " " + context.FunctionName;

        public static int Static(int number) => number * 2;

        string Private(string text) => "private " + text;

        public void Void(Point point) => Console.WriteLine("void " + point.X);

        public static void VoidOfContext(ILambdaContext context) => Console.WriteLine("void of " + context.FunctionVersion);

        public void VoidOfBoth(string text, ILambdaContext context) => Console.WriteLine(text + context.MemoryLimitInMB);

        public static void VoidOfNothing() => Console.WriteLine("void of nothing");

        public Stream Streams(Stream input)
        {
            var output = new MemoryStream();
            input.CopyTo(output);
            output.WriteByte((byte)'!');
            output.Position = 0;
            return output;
        }

        public MemoryStream Derived(Stream input, ILambdaContext context) => new MemoryStream(Encoding.UTF8.GetBytes(context.FunctionName));

        public Pair Structure(Pair pair) => new Pair { Left = pair.Right, Right = pair.Left };

        public Dictionary<string, int> Map(Dictionary<string, int> map) => map.ToDictionary(entry => entry.Key, entry => entry.Value + 1);

        public async Task Task(Point point)
        {
            await System.Threading.Tasks.Task.Delay(1);
            Console.WriteLine("awaited " + point.X);
        }

        public async Task<string> TaskOfText(string text)
        {
            await System.Threading.Tasks.Task.Yield();
            return text + ", later";
        }

        public async Task<Stream> TaskOfStream(Stream input)
        {
            await System.Threading.Tasks.Task.Yield();
            return Streams(input);
        }

        public ValueTask ValueTask() => new ValueTask(System.Threading.Tasks.Task.Delay(1));

        public ValueTask<int> ValueTaskOfNumber(int number) => new ValueTask<int>(System.Threading.Tasks.Task.FromResult(number + 1));

        public int? NoNumber(string text) => null;

        public int Instances() => made;

        [LambdaSerializer(typeof(LoudSerializer))]
        public string Loud(string text) => text + "!";

        public string Overloaded(string text) => "of text";

        public string Overloaded(int number) => "of a number";

        public async void AsyncVoid(string text) => await System.Threading.Tasks.Task.Yield();

        public string Many(string one, ILambdaContext context, string three) => one;

        public string Second(string one, string two) => one;

        public string Params(params string[] all) => all[0];

        public string Generic<T>(T value) => "";
    }

    public class Heir : Shapes
    {
    }

    public struct Structure
    {
        public string Handle(string text) => "of a structure: " + text;
    }

    public abstract class Abstract
    {
        public abstract string Undone(string text);

        public string Instance(string text) => text;

        public static string Static(string text) => "of an abstract type: " + text;
    }

    public class Generic<T>
    {
        public string Handle(string text) => text;
    }

    public interface IHandler
    {
        string Handle(string text);
    }

    public class Outer
    {
        public class Inner
        {
            public string Handle(string text) => "inner " + text;
        }
    }

    // What goes wrong, when.
    public class Failures
    {
        public string Throw(string text) => throw new InvalidOperationException("no \"good\"\n" + text);

        public string Nested(string text)
        {
            try
            {
                return Throw(text);
            }
            catch (Exception exception)
            {
                throw new MistakenException("outer", exception);
            }
        }

        public string Aggregate(string text) =>
            throw new AggregateException("several", new ArgumentException("first"), new FormatException("second"));

        public async Task<string> Later(string text)
        {
            await Task.Delay(1);
            throw new TimeoutException("later " + text);
        }

        public string Huge(string text) => throw new Exception(new string('x', 300 * 1024));

        public string Exit(string text)
        {
            Environment.Exit(7);
            return text;
        }
    }

    public class ThrowsWhenMade
    {
        public ThrowsWhenMade()
        {
            throw new NotSupportedException("not to be made");
        }

        public string Handle(string text) => text;
    }

    public static class ThrowsWhenLoaded
    {
        static readonly string Value = Fail();

        static string Fail() => throw new NotSupportedException("not to be loaded");

        public static string Handle(string text) => Value;
    }

    public class NeedsArgument
    {
        public NeedsArgument(string needed)
        {
        }

        public string Handle(string text) => text;
    }

    // What a handler is told, and what it sees around it.
    public class Surroundings
    {
        public Dictionary<string, object> Context(Stream input, ILambdaContext context) => new Dictionary<string, object>
        {
            ["request"] = context.AwsRequestId,
            ["name"] = context.FunctionName,
            ["version"] = context.FunctionVersion,
            ["arn"] = context.InvokedFunctionArn,
            ["group"] = context.LogGroupName,
            ["stream"] = context.LogStreamName,
            ["memory"] = context.MemoryLimitInMB,
            ["remaining"] = context.RemainingTime.TotalMilliseconds,
            ["trace"] = context.TraceId,
            ["variable"] = Environment.GetEnvironmentVariable("_X_AMZN_TRACE_ID"),
            ["title"] = context.ClientContext.Client?.AppTitle,
            ["custom"] = context.ClientContext.Custom,
            ["env"] = context.ClientContext.Environment,
            ["identity"] = context.Identity.IdentityId,
        };

        public Dictionary<string, object> Machine(string name) => new Dictionary<string, object>
        {
            ["variable"] = Environment.GetEnvironmentVariable(name),
            ["execution"] = Environment.GetEnvironmentVariable("AWS_EXECUTION_ENV"),
            ["root"] = Environment.GetEnvironmentVariable("DOTNET_ROOT"),
            ["directory"] = Environment.CurrentDirectory,
            ["heap"] = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes >> 20,
            ["upper"] = "i".ToUpper(),
            ["sockets"] = Directory.GetFiles("/tmp").Length,
            ["zone"] = TimeZoneInfo.Local.BaseUtcOffset.TotalHours,
        };

        // Files, threads, memory and times: what functions do, to be let do it.
        public async Task<string> Work(string text)
        {
            File.WriteAllText("/tmp/x", text);
            int[] numbers = await Task.WhenAll(Enumerable.Range(0, 20).Select(number => Task.Run(() => number)));
            GC.Collect();
            return File.ReadAllText("/tmp/x") + " " + numbers.Length;
        }

        public int Allocate(int megabytes)
        {
            var kept = new List<byte[]>();
            for (int i = 0; i < megabytes; i++)
            {
                kept.Add(new byte[1 << 20]);
                kept[i][i] = 1;
            }
            return kept.Count;
        }

        public string Layered(string text) => Type.GetType("Layer.Layered, Layer", true).GetMethod("Say").Invoke(null, null).ToString();
    }

    // What is logged, in which words.
    public class Logs
    {
        public void Console_(string text)
        {
            Console.WriteLine("written {0}", text);
            Console.WriteLine("two\nlines");
            Console.Error.WriteLine("to error");
            Console.WriteLine(42);
            Console.Write("without end");
        }

        public void Static(string text)
        {
            LambdaLogger.Log("logged " + text);
            LambdaLogger.Log(LogLevel.Warning, "{what} at {count:N2}", "warned", 3);
            LambdaLogger.Log(LogLevel.Error, new FormatException("odd"), "failed");
        }

        public void Context(string text, ILambdaContext context)
        {
            context.Logger.Log("plain " + text);
            context.Logger.LogLine("line " + text);
            context.Logger.LogTrace("traced");
            context.Logger.LogDebug("debugged");
            context.Logger.LogInformation("{0} of {1}", "one", "two");
            context.Logger.LogInformation("informed");
            context.Logger.LogWarning("warned");
            context.Logger.LogError("erred");
            context.Logger.LogCritical("critical");
            context.Logger.Log(LogLevel.Error, "by level");
            context.Logger.Log("Debug", "by name");
            context.Logger.LogError(new FormatException("odd"), "with {what}", "exception");
        }

        public void Properties(string text, ILambdaContext context)
        {
            context.Logger.LogInformation("{user} has {count} of {@point} in {list}, {bytes}, {missing}", text, 3, new Point { X = 1 }, new[] { 1, 2 }, new byte[] { 1, 255 });
        }
    }
}
