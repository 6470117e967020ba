// The function's log. From .NET 6 on, all that goes to the console is a message with its time, request and level, as text or as
// JSON; before, the console is as it is everywhere.
//
// The generation is that of the runtime that was asked for, not of the .NET it runs on.
// https://docs.aws.amazon.com/lambda/latest/dg/csharp-logging.html

using System;
using System.Globalization;
using System.IO;
using System.Reflection;
using System.Text;

namespace Hearth.Runtime
{
    // As in Amazon.Lambda.Core, from the version on that has levels.
    enum LogLevel
    {
        Trace,
        Debug,
        Information,
        Warning,
        Error,
        Critical,
    }

    static class FunctionLog
    {
        const string Core = "Amazon.Lambda.Core";
        const string TimeFormat = "yyyy-MM-ddTHH:mm:ss.fffZ";

        static readonly bool Formats = !IsOld(Environment.GetEnvironmentVariable("AWS_EXECUTION_ENV"));
        static readonly string Format = Setting("FORMAT");
        static readonly LogLevel Least = Level(Setting("LEVEL")) ?? LogLevel.Information;
        static Stream output;

        // The invocation that messages belong to; empty before the first.
        public static string RequestId { get; set; } = "";

        // Puts the console's writers in place.
        public static void Open()
        {
            if (Formats)
            {
                // Both to one stream, as on AWS, so that messages stay in their order.
                output = Console.OpenStandardOutput();
                Console.SetOut(new MessageWriter(LogLevel.Information));
                Console.SetError(new MessageWriter(LogLevel.Error));
            }
        }

        // Leads `LambdaLogger` of the package's Amazon.Lambda.Core here, as soon as that is loaded: by the fields that it has
        // for a runtime to set.
        public static void TakeOver()
        {
            AppDomain.CurrentDomain.AssemblyLoad += (sender, loaded) =>
            {
                if (loaded.LoadedAssembly.GetName().Name == Core)
                {
                    Type logger = loaded.LoadedAssembly.GetType(Core + ".LambdaLogger");
                    Lead(logger, "_loggingAction", new Action<string>(message => Log(null, null, message, null)));
                    Lead(logger, "_loggingWithLevelAction",
                        new Action<string, string, object[]>((level, message, arguments) => Log(level, null, message, arguments)));
                    Lead(logger, "_loggingWithLevelAndExceptionAction",
                        new Action<string, Exception, string, object[]>(Log));
                }
            };
        }

        static void Lead(Type logger, string name, Delegate action)
        {
            FieldInfo field = logger?.GetField(name, BindingFlags.NonPublic | BindingFlags.Static);
            // Older versions have fewer.
            if (field != null && field.FieldType.IsInstanceOfType(action))
            {
                field.SetValue(null, action);
            }
        }

        // One message, of a level or of none.
        public static void Log(string level, Exception exception, string template, object[] arguments)
        {
            if (!Formats)
            {
                Console.WriteLine(template);
                return;
            }
            LogLevel? known = Level(level);
            if (known == null || known >= Least)
            {
                Write(Line(known, level, exception, template, arguments));
            }
        }

        // A message that a writer of the console took.
        internal static void Log(LogLevel level, string message)
        {
            if (level >= Least)
            {
                Write(Line(level, null, null, message, null));
            }
        }

        // In one write, so that the lines of two threads do not mix. A message of several lines is one of the log with carriage
        // returns, so that it stays one event.
        internal static void Write(string message)
        {
            byte[] line = Encoding.UTF8.GetBytes(message.TrimEnd('\r', '\n').Replace("\r\n", "\n").Replace('\n', '\r') + "\n");
            lock (output)
            {
                output.Write(line, 0, line.Length);
                output.Flush();
            }
        }

        static string Line(LogLevel? level, string given, Exception exception, string template, object[] arguments)
        {
            string time = DateTime.UtcNow.ToString(TimeFormat, CultureInfo.InvariantCulture);
            template = template ?? "";
            if (string.Equals(Format, "Json", StringComparison.OrdinalIgnoreCase))
            {
                return new JsonMessage(time, level ?? LogLevel.Information, exception).Of(template, arguments);
            }
            string message = MessageTemplate.Apply(template, arguments);
            if (exception != null)
            {
                message += (message.Length > 0 ? "\n" : "") + exception;
            }
            if (string.Equals(Format, "Unformatted", StringComparison.OrdinalIgnoreCase))
            {
                return message;
            }
            string label = level == null ? given : Label(level.Value);
            return time + "\t" + RequestId + "\t" + (string.IsNullOrEmpty(label) ? "" : label + "\t") + message;
        }

        // As the console's provider of Microsoft's logging has them.
        static string Label(LogLevel level)
        {
            switch (level)
            {
                case LogLevel.Trace: return "trce";
                case LogLevel.Debug: return "dbug";
                case LogLevel.Information: return "info";
                case LogLevel.Warning: return "warn";
                case LogLevel.Error: return "fail";
                default: return "crit";
            }
        }

        // A level by .NET's name for it, or by that of the function's settings.
        static LogLevel? Level(string name)
        {
            switch (name?.ToUpperInvariant())
            {
                case "TRACE": return LogLevel.Trace;
                case "DEBUG": return LogLevel.Debug;
                case "INFO":
                case "INFORMATION": return LogLevel.Information;
                case "WARN":
                case "WARNING": return LogLevel.Warning;
                case "ERROR": return LogLevel.Error;
                case "FATAL":
                case "CRITICAL": return LogLevel.Critical;
                default: return null;
            }
        }

        static bool IsOld(string runtime)
        {
            return runtime != null && runtime.Contains("dotnetcore");
        }

        // The runtime's own setting comes before the platform's.
        static string Setting(string name)
        {
            string own = Environment.GetEnvironmentVariable("AWS_LAMBDA_HANDLER_LOG_" + name);
            return string.IsNullOrEmpty(own) ? Environment.GetEnvironmentVariable("AWS_LAMBDA_LOG_" + name) : own;
        }
    }
}
