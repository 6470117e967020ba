// The console's writer: each WriteLine is a message with its time, request and level; each Write is a line as it was given, since
// AWS's log has an event for each.

using System;
using System.Globalization;
using System.IO;
using System.Text;

namespace Hearth.Runtime
{
    sealed class MessageWriter : TextWriter
    {
        readonly LogLevel level;

        public MessageWriter(LogLevel level)
            : base(CultureInfo.CurrentCulture)
        {
            this.level = level;
        }

        public override Encoding Encoding => new UTF8Encoding(false);

        public override void Write(char value) => FunctionLog.Write(value.ToString());

        public override void Write(string value)
        {
            if (!string.IsNullOrEmpty(value))
            {
                FunctionLog.Write(value);
            }
        }

        public override void Write(char[] buffer, int index, int count) => Write(new string(buffer, index, count));

        public override void Write(ReadOnlySpan<char> buffer) => Write(buffer.ToString());

        public override void Write(StringBuilder value) => Write(value?.ToString());

        public override void WriteLine(string value) => FunctionLog.Log(level, value);

        // What the base class makes of several writes is one message.
        public override void WriteLine() => WriteLine("");

        public override void WriteLine(bool value) => WriteLine(value.ToString(FormatProvider));

        public override void WriteLine(char value) => WriteLine(value.ToString());

        public override void WriteLine(char[] buffer) => WriteLine(buffer == null ? "" : new string(buffer));

        public override void WriteLine(char[] buffer, int index, int count) => WriteLine(new string(buffer, index, count));

        public override void WriteLine(ReadOnlySpan<char> buffer) => WriteLine(buffer.ToString());

        public override void WriteLine(StringBuilder value) => WriteLine(value?.ToString());

        public override void WriteLine(int value) => WriteLine(value.ToString(FormatProvider));

        public override void WriteLine(uint value) => WriteLine(value.ToString(FormatProvider));

        public override void WriteLine(long value) => WriteLine(value.ToString(FormatProvider));

        public override void WriteLine(ulong value) => WriteLine(value.ToString(FormatProvider));

        public override void WriteLine(float value) => WriteLine(value.ToString(FormatProvider));

        public override void WriteLine(double value) => WriteLine(value.ToString(FormatProvider));

        public override void WriteLine(decimal value) => WriteLine(value.ToString(FormatProvider));

        public override void WriteLine(object value) => WriteLine(value?.ToString() ?? "");
    }
}
