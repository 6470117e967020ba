// An exception as the caller is told of it: type, message, stack trace and causes, to the byte as AWS's runtime lays them out.
//
// It leaves this runtime's own frames out: AWS's are there in their place. It refuses documents of more than 256 KB.

using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.Linq;
using System.Text;

namespace Hearth.Runtime
{
    static class ErrorDocument
    {
        const int SizeMax = 256 * 1024;
        const string TooLarge = "{\"errorMessage\": \"Exception exceeded maximum payload size of 256KB.\"}";
        const string OwnFrame = "at Hearth.Runtime.";
        // Between the frames of an asynchronous method and of who awaited it.
        const string Seam = "--- End of stack trace";

        public static byte[] Of(Exception exception)
        {
            return Encoding.UTF8.GetBytes(Object(exception, 0, false, SizeMax) ?? TooLarge);
        }

        // Null when there is no room for it.
        static string Object(Exception exception, int depth, bool comma, int room)
        {
            var members = new List<string> { Member("errorType", exception.GetType().Name, depth + 1) };
            if (exception.Message != null)
            {
                members.Add(Member("errorMessage", exception.Message, depth + 1));
            }
            List<string> frames = Frames(exception);
            if (frames.Count > 0)
            {
                string lines = string.Join(",\n", frames.Select(frame => Indent(depth + 2) + "\"" + Escape(frame) + "\""));
                members.Add(Indent(depth + 1) + "\"stackTrace\": [\n" + lines + "\n" + Indent(depth + 1) + "]");
            }
            var text = new StringBuilder(Indent(depth) + "{\n" + string.Join(",\n", members));
            IReadOnlyList<Exception> causes = (exception as AggregateException)?.InnerExceptions ?? (IReadOnlyList<Exception>)new Exception[0];
            if (exception.InnerException != null)
            {
                text.Append(",\n").Append(Indent(depth + 1)).Append("\"cause\": ");
                text.Append(Object(exception.InnerException, depth + 1, causes.Count > 0, room - Size(text)) ?? TooLarge + "\n");
            }
            if (causes.Count > 0)
            {
                text.Append(Indent(depth + 1)).Append("\"causes\": [");
                for (int i = 0; i < causes.Count; i++)
                {
                    string cause = Object(causes[i], depth + 2, i < causes.Count - 1, room - Size(text));
                    text.Append(cause ?? Indent(depth + 2) + TooLarge + "\n");
                    if (cause == null)
                    {
                        break;
                    }
                }
                text.Append(Indent(depth + 1)).Append("]\n");
            }
            else if (exception.InnerException == null)
            {
                text.Append('\n');
            }
            text.Append(Indent(depth)).Append(comma ? "},\n" : "}\n");
            return Size(text) <= room ? text.ToString() : null;
        }

        static int Size(StringBuilder text)
        {
            return Encoding.UTF8.GetByteCount(text.ToString());
        }

        static string Member(string name, string value, int depth)
        {
            return Indent(depth) + "\"" + name + "\": \"" + Escape(value) + "\"";
        }

        static string Indent(int depth)
        {
            return new string(' ', 2 * depth);
        }

        static List<string> Frames(Exception exception)
        {
            if (string.IsNullOrEmpty(exception.StackTrace))
            {
                return new List<string>();
            }
            List<string> frames = new StackTrace(exception, true).ToString()
                .Split('\n')
                .Select(frame => frame.Trim())
                .Where(frame => frame.Length > 0)
                .TakeWhile(frame => !frame.StartsWith(OwnFrame, StringComparison.Ordinal))
                .ToList();
            while (frames.Count > 0 && frames[frames.Count - 1].StartsWith(Seam, StringComparison.Ordinal))
            {
                frames.RemoveAt(frames.Count - 1);
            }
            return frames;
        }

        static string Escape(string text)
        {
            var escaped = new StringBuilder(text.Length + 16);
            foreach (char c in text)
            {
                switch (c)
                {
                    case '\n': escaped.Append("\\n"); break;
                    case '\r': escaped.Append("\\r"); break;
                    case '\t': escaped.Append("\\t"); break;
                    case '\f': escaped.Append("\\f"); break;
                    case '\b': escaped.Append("\\b"); break;
                    case '"': escaped.Append("\\\""); break;
                    case '\\': escaped.Append("\\\\"); break;
                    case '\u0085':
                    case '\u2028':
                    case '\u2029': escaped.Append(Code(c)); break;
                    default: escaped.Append(c < ' ' ? Code(c) : c.ToString()); break;
                }
            }
            return escaped.ToString().Trim();
        }

        static string Code(char c)
        {
            return "\\u" + ((int)c).ToString("X4", CultureInfo.InvariantCulture);
        }
    }
}
