package hearth.runtime.json;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads JSON text into maps, lists, text, booleans, null and numbers: Integer, Long or BigInteger, whichever is the first to
 * hold it, and BigDecimal for what has a fraction or an exponent.
 */
public final class JsonReader {
    /** Deeper nesting is refused, so that no event exhausts the stack. */
    private static final int DEPTH_MAX = 1000;

    private final String text;
    private int at;
    private int depth;

    private JsonReader(String text) {
        this.text = text;
    }

    /** The value of a text that is one. */
    public static Object read(String text) {
        JsonReader reader = new JsonReader(text);
        reader.skip();
        Object value = reader.value();
        reader.skip();
        if (reader.at < text.length()) {
            throw reader.unexpected();
        }
        return value;
    }

    private Object value() {
        if (at >= text.length()) {
            throw new JsonException("No content to map due to end-of-input");
        }
        char first = text.charAt(at);
        switch (first) {
            case '{':
                return object();
            case '[':
                return array();
            case '"':
                return string();
            case 't':
                return word("true", Boolean.TRUE);
            case 'f':
                return word("false", Boolean.FALSE);
            case 'n':
                return word("null", null);
            default:
                if (first == '-' || first >= '0' && first <= '9') {
                    return number();
                }
                throw unexpected();
        }
    }

    private Map<String, Object> object() {
        enter();
        Map<String, Object> object = new LinkedHashMap<>();
        skip();
        if (!taken('}')) {
            do {
                skip();
                if (at >= text.length() || text.charAt(at) != '"') {
                    throw unexpected();
                }
                String name = string();
                skip();
                take(':');
                skip();
                object.put(name, value());
                skip();
            } while (taken(','));
            take('}');
        }
        depth--;
        return object;
    }

    private List<Object> array() {
        enter();
        List<Object> array = new ArrayList<>();
        skip();
        if (!taken(']')) {
            do {
                skip();
                array.add(value());
                skip();
            } while (taken(','));
            take(']');
        }
        depth--;
        return array;
    }

    private void enter() {
        at++;
        if (++depth > DEPTH_MAX) {
            throw new JsonException("Document nesting depth (" + depth + ") exceeds the maximum allowed (" + DEPTH_MAX + ")");
        }
    }

    private String string() {
        int start = ++at;
        int end = start;
        while (end < text.length() && text.charAt(end) != '"' && text.charAt(end) != '\\') {
            end++;
        }
        if (end < text.length() && text.charAt(end) == '"') {
            at = end + 1;
            return text.substring(start, end);
        }
        StringBuilder string = new StringBuilder(text.substring(start, end));
        at = end;
        while (true) {
            char next = next();
            if (next == '"') {
                return string.toString();
            }
            string.append(next == '\\' ? escaped() : next);
        }
    }

    private char escaped() {
        char kind = next();
        return switch (kind) {
            case 'b' -> '\b';
            case 'f' -> '\f';
            case 'n' -> '\n';
            case 'r' -> '\r';
            case 't' -> '\t';
            case 'u' -> hexadecimal();
            default -> kind;
        };
    }

    private char hexadecimal() {
        int code = 0;
        for (int i = 0; i < 4; i++) {
            int digit = Character.digit(next(), 16);
            if (digit < 0) {
                at--;
                throw unexpected();
            }
            code = code << 4 | digit;
        }
        return (char) code;
    }

    private char next() {
        if (at >= text.length()) {
            throw unexpected();
        }
        return text.charAt(at++);
    }

    private Number number() {
        int start = at;
        boolean whole = true;
        while (at < text.length() && "+-0123456789.eE".indexOf(text.charAt(at)) >= 0) {
            char digit = text.charAt(at++);
            whole &= digit != '.' && digit != 'e' && digit != 'E';
        }
        String digits = text.substring(start, at);
        try {
            if (!whole) {
                return new BigDecimal(digits);
            }
            if (digits.length() > 18) {
                BigInteger big = new BigInteger(digits);
                return big.bitLength() < 64 ? (Number) big.longValue() : big;
            }
            long number = Long.parseLong(digits);
            return number == (int) number ? (Number) (int) number : (Number) number;
        } catch (NumberFormatException malformed) {
            throw new JsonException("Malformed number `" + digits + "` at character " + start);
        }
    }

    private Object word(String word, Object value) {
        if (!text.startsWith(word, at)) {
            throw unexpected();
        }
        at += word.length();
        return value;
    }

    private void take(char wanted) {
        if (!taken(wanted)) {
            throw unexpected();
        }
    }

    private boolean taken(char wanted) {
        boolean there = at < text.length() && text.charAt(at) == wanted;
        at += there ? 1 : 0;
        return there;
    }

    private void skip() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
    }

    private JsonException unexpected() {
        if (at >= text.length()) {
            return new JsonException("Unexpected end-of-input at character " + at);
        }
        return new JsonException("Unexpected character (" + text.charAt(at) + ") at character " + at);
    }
}
