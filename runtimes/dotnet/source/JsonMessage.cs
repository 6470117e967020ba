// A message of the log as a JSON object: when, how grave, of which invocation, what was said, and the arguments by their names.

using System;
using System.Collections;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Text;
using System.Text.Json;

namespace Hearth.Runtime
{
    sealed class JsonMessage
    {
        readonly string time;
        readonly LogLevel level;
        readonly Exception exception;

        public JsonMessage(string time, LogLevel level, Exception exception)
        {
            this.time = time;
            this.level = level;
            this.exception = exception;
        }

        public string Of(string template, object[] arguments)
        {
            var buffer = new MemoryStream();
            using (var writer = new Utf8JsonWriter(buffer))
            {
                writer.WriteStartObject();
                writer.WriteString("timestamp", time);
                writer.WriteString("level", level.ToString());
                Known(writer, "requestId", FunctionLog.RequestId);
                Known(writer, "traceId", Environment.GetEnvironmentVariable("_X_AMZN_TRACE_ID"));
                writer.WriteString("message", MessageTemplate.Apply(template, arguments));
                if (arguments != null && arguments.Length > 0)
                {
                    Arguments(writer, new MessageTemplate(template).Filled(arguments));
                }
                if (exception != null)
                {
                    writer.WriteString("errorType", exception.GetType().FullName);
                    writer.WriteString("errorMessage", exception.Message);
                    writer.WriteStartArray("stackTrace");
                    foreach (string line in exception.ToString().Split('\n'))
                    {
                        writer.WriteStringValue(line.Trim());
                    }
                    writer.WriteEndArray();
                }
                writer.WriteEndObject();
            }
            return Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length);
        }

        static void Known(Utf8JsonWriter writer, string name, string value)
        {
            if (!string.IsNullOrEmpty(value))
            {
                writer.WriteString(name, value);
            }
        }

        static void Arguments(Utf8JsonWriter writer, IEnumerable<KeyValuePair<MessagePlace, object>> filled)
        {
            foreach (KeyValuePair<MessagePlace, object> pair in filled)
            {
                if (pair.Value == null)
                {
                    continue;
                }
                writer.WritePropertyName(pair.Key.Name);
                if (pair.Value is IList list && !(pair.Value is IList<byte>))
                {
                    writer.WriteStartArray();
                    foreach (object item in list)
                    {
                        Value(writer, pair.Key, item);
                    }
                    writer.WriteEndArray();
                }
                else if (pair.Value is IDictionary dictionary)
                {
                    writer.WriteStartObject();
                    foreach (DictionaryEntry entry in dictionary)
                    {
                        writer.WritePropertyName(entry.Key.ToString());
                        Value(writer, pair.Key, entry.Value);
                    }
                    writer.WriteEndObject();
                }
                else
                {
                    Value(writer, pair.Key, pair.Value);
                }
            }
        }

        static void Value(Utf8JsonWriter writer, MessagePlace place, object value)
        {
            if (value == null)
            {
                writer.WriteNullValue();
            }
            else if (place.AsJson)
            {
                using (JsonDocument document = JsonDocument.Parse(JsonSerializer.Serialize(value, value.GetType())))
                {
                    document.RootElement.WriteTo(writer);
                }
            }
            else if (place.Format != null)
            {
                writer.WriteStringValue(place.Formatted(value));
            }
            else
            {
                Scalar(writer, value);
            }
        }

        static void Scalar(Utf8JsonWriter writer, object value)
        {
            // An enumeration's member would pass for its number.
            switch (value is Enum ? TypeCode.Object : Type.GetTypeCode(value.GetType()))
            {
                case TypeCode.Boolean:
                    writer.WriteBooleanValue((bool)value);
                    break;
                case TypeCode.Byte:
                case TypeCode.SByte:
                case TypeCode.Int16:
                case TypeCode.UInt16:
                case TypeCode.Int32:
                case TypeCode.UInt32:
                case TypeCode.Int64:
                    writer.WriteNumberValue(Convert.ToInt64(value, CultureInfo.InvariantCulture));
                    break;
                case TypeCode.UInt64:
                    writer.WriteNumberValue((ulong)value);
                    break;
                case TypeCode.Single:
                    writer.WriteNumberValue((float)value);
                    break;
                case TypeCode.Double:
                    writer.WriteNumberValue((double)value);
                    break;
                case TypeCode.Decimal:
                    writer.WriteNumberValue((decimal)value);
                    break;
                default:
                    writer.WriteStringValue(MessagePlace.Plain(value) ?? Convert.ToString(value, CultureInfo.InvariantCulture));
                    break;
            }
        }
    }
}
