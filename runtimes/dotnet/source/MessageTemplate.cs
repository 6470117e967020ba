// A message with places for its arguments, by name or by position: `{user} bought {count:N2}`, `{@order}`, `{0}`.
//
// As with AWS's runtime, doubled braces stay doubled, and what has no argument, or one that is null or of several values, stays as it is.

using System;
using System.Collections;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text;

namespace Hearth.Runtime
{
    // One place: `@` asks for JSON, and what follows a colon is a format.
    sealed class MessagePlace
    {
        const int BytesShown = 16;
        const string TimeFormat = "yyyy-MM-ddTHH:mm:ss.fffZ";

        readonly string token;

        public MessagePlace(string inside)
        {
            token = "{" + inside + "}";
            AsJson = inside[0] == '@';
            string[] parts = inside.Substring(AsJson ? 1 : 0).Split(new[] { ':' }, 2);
            Name = parts[0].Trim();
            Format = parts.Length > 1 && parts[1].Trim().Length > 0 ? parts[1].Trim() : null;
        }

        public string Name { get; }

        public string Format { get; }

        public bool AsJson { get; }

        public string Text(object value)
        {
            if (value is byte[] bytes)
            {
                return Hexadecimal(bytes);
            }
            if (value == null || value is IList || value is IDictionary)
            {
                return token;
            }
            return Format == null ? Plain(value) ?? value.ToString() : Formatted(value);
        }

        public string Formatted(object value)
        {
            try
            {
                return string.Format("{0:" + Format + "}", value);
            }
            catch (FormatException)
            {
                return value.ToString();
            }
        }

        // How a time, a date or bytes are written; null for anything else.
        public static string Plain(object value)
        {
            if (value is byte[] bytes)
            {
                return Hexadecimal(bytes);
            }
            if (value is DateTime || value is DateTimeOffset)
            {
                return ((IFormattable)value).ToString(TimeFormat, CultureInfo.InvariantCulture);
            }
            // These two are younger than the oldest .NET that this runs on.
            switch (value.GetType().FullName)
            {
                case "System.DateOnly": return ((IFormattable)value).ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
                case "System.TimeOnly": return ((IFormattable)value).ToString("HH:mm:ss.fff", CultureInfo.InvariantCulture);
                default: return null;
            }
        }

        static string Hexadecimal(byte[] bytes)
        {
            string shown = string.Concat(bytes.Take(BytesShown).Select(octet => octet.ToString("X2", CultureInfo.InvariantCulture)));
            return bytes.Length > BytesShown ? shown + "... (" + bytes.Length + " bytes)" : shown;
        }
    }

    sealed class MessageTemplate
    {
        // Text, or a place.
        readonly List<object> parts = new List<object>();

        public MessageTemplate(string template)
        {
            var text = new StringBuilder();
            for (int at = 0; at < template.Length; at++)
            {
                int end = template[at] == '{' ? template.IndexOf('}', at) : -1;
                if (template[at] == '{' && at + 1 < template.Length && template[at + 1] == '{')
                {
                    text.Append("{{");
                    at++;
                }
                else if (end > at + 1)
                {
                    parts.Add(text.ToString());
                    text.Clear();
                    parts.Add(new MessagePlace(template.Substring(at + 1, end - at - 1)));
                    at = end;
                }
                else
                {
                    text.Append(template[at]);
                }
            }
            parts.Add(text.ToString());
        }

        public static string Apply(string template, object[] arguments)
        {
            return arguments == null || arguments.Length == 0 ? template : new MessageTemplate(template).Text(arguments);
        }

        public string Text(object[] arguments)
        {
            var filled = Filled(arguments).ToDictionary(pair => pair.Key, pair => pair.Value);
            return string.Concat(parts.Select(part => part is MessagePlace place
                ? place.Text(filled.TryGetValue(place, out object value) ? value : null)
                : part));
        }

        // The places that have an argument: all by position when they are numbered from 0 on, else one after the other.
        public IEnumerable<KeyValuePair<MessagePlace, object>> Filled(object[] arguments)
        {
            List<MessagePlace> places = parts.OfType<MessagePlace>().ToList();
            List<int> positions = places
                .Select(place => int.TryParse(place.Name, NumberStyles.None, CultureInfo.InvariantCulture, out int position) ? position : -1)
                .ToList();
            bool numbered = places.Count > 0 && !positions.Contains(-1) && positions.Distinct().Count() == positions.Max() + 1;
            for (int i = 0; i < places.Count; i++)
            {
                int index = numbered ? positions[i] : i;
                if (index < arguments.Length)
                {
                    yield return new KeyValuePair<MessagePlace, object>(places[i], arguments[index]);
                }
            }
        }
    }
}
