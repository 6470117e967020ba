package hearth.runtime.json;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZonedDateTime;
import java.time.temporal.Temporal;
import java.util.Base64;
import java.util.Calendar;
import java.util.Date;
import java.util.IdentityHashMap;
import java.util.Map;
import java.util.Optional;

/** Writes values as JSON text. Members that are null are left out, of beans and of maps. */
public final class JsonWriter {
    private final StringBuilder text = new StringBuilder(256);
    /** What is being written, so that a circle is found. */
    private final Map<Object, Boolean> open = new IdentityHashMap<>();

    private JsonWriter() {}

    /** The text of a value. */
    public static String write(Object value) {
        JsonWriter writer = new JsonWriter();
        writer.value(value);
        return writer.text.toString();
    }

    private void value(Object value) {
        if (value == null) {
            text.append("null");
        } else if (value instanceof CharSequence || value instanceof Character) {
            string(value.toString());
        } else if (value instanceof Boolean) {
            text.append(value);
        } else if (value instanceof Number number) {
            number(number);
        } else if (value instanceof Enum<?> constant) {
            string(constant.name());
        } else if (value instanceof Optional<?> optional) {
            value(optional.orElse(null));
        } else if (value instanceof Map<?, ?> || value instanceof Iterable<?> || value.getClass().isArray()) {
            collection(value);
        } else if (!scalar(value)) {
            bean(value);
        }
    }

    private void number(Number number) {
        boolean finite = !(number instanceof Double || number instanceof Float) || Double.isFinite(number.doubleValue());
        if (finite) {
            text.append(number);
        } else {
            string(number.toString());
        }
    }

    private void collection(Object value) {
        if (value instanceof byte[] bytes) {
            string(Base64.getEncoder().encodeToString(bytes));
        } else if (value instanceof char[] characters) {
            string(new String(characters));
        } else if (value instanceof Map<?, ?> map) {
            enter(value);
            members(map);
            open.remove(value);
        } else {
            enter(value);
            elements(value);
            open.remove(value);
        }
    }

    private void members(Map<?, ?> map) {
        text.append('{');
        String separator = "";
        for (Map.Entry<?, ?> member : map.entrySet()) {
            if (member.getKey() == null) {
                throw new JsonException("Null key for a Map not allowed in JSON (use a converting NullKeySerializer?)");
            }
            if (member.getValue() == null) {
                continue;
            }
            text.append(separator);
            Object key = member.getKey();
            string(key instanceof Enum<?> constant ? constant.name() : key.toString());
            text.append(':');
            value(member.getValue());
            separator = ",";
        }
        text.append('}');
    }

    private void elements(Object value) {
        text.append('[');
        if (value instanceof Iterable<?> elements) {
            String separator = "";
            for (Object element : elements) {
                text.append(separator);
                value(element);
                separator = ",";
            }
        } else {
            for (int i = 0; i < java.lang.reflect.Array.getLength(value); i++) {
                text.append(i == 0 ? "" : ",");
                value(java.lang.reflect.Array.get(value, i));
            }
        }
        text.append(']');
    }

    /** Whether it is one of the JDK's types that are written as text or a number. */
    private boolean scalar(Object value) {
        if (value instanceof Date date) {
            text.append(date.getTime());
        } else if (value instanceof Calendar calendar) {
            text.append(calendar.getTimeInMillis());
        } else if (value instanceof ByteBuffer buffer) {
            byte[] bytes = new byte[buffer.remaining()];
            buffer.duplicate().get(bytes);
            string(Base64.getEncoder().encodeToString(bytes));
        } else if (value instanceof Temporal temporal) {
            temporal(temporal);
        } else if (value instanceof Class<?> type) {
            string(type.getName());
        } else if (Beans.isText(value.getClass())) {
            string(value.toString());
        } else {
            return false;
        }
        return true;
    }

    private void temporal(Temporal value) {
        if (value instanceof Instant instant) {
            seconds(instant);
        } else if (value instanceof OffsetDateTime moment) {
            seconds(moment.toInstant());
        } else if (value instanceof ZonedDateTime moment) {
            seconds(moment.toInstant());
        } else if (value instanceof LocalDate date) {
            numbers(date.getYear(), date.getMonthValue(), date.getDayOfMonth());
        } else if (value instanceof LocalTime time) {
            numbers(time(time));
        } else if (value instanceof LocalDateTime moment) {
            int[] time = time(moment.toLocalTime());
            int[] all = new int[3 + time.length];
            all[0] = moment.getYear();
            all[1] = moment.getMonthValue();
            all[2] = moment.getDayOfMonth();
            System.arraycopy(time, 0, all, 3, time.length);
            numbers(all);
        } else {
            string(value.toString());
        }
    }

    /** With nine decimals. */
    private void seconds(Instant instant) {
        BigInteger nanos = BigInteger.valueOf(instant.getEpochSecond())
                .multiply(BigInteger.valueOf(1_000_000_000))
                .add(BigInteger.valueOf(instant.getNano()));
        text.append(new BigDecimal(nanos, 9).toPlainString());
    }

    private static int[] time(LocalTime time) {
        if (time.getNano() > 0) {
            return new int[] {time.getHour(), time.getMinute(), time.getSecond(), time.getNano()};
        }
        return time.getSecond() > 0
                ? new int[] {time.getHour(), time.getMinute(), time.getSecond()}
                : new int[] {time.getHour(), time.getMinute()};
    }

    private void numbers(int... numbers) {
        elements(numbers);
    }

    private void bean(Object value) {
        enter(value);
        text.append('{');
        String separator = "";
        for (Beans.Property property : Beans.of(value.getClass()).readable()) {
            Object member = property.get(value);
            if (member != null) {
                text.append(separator);
                string(property.name());
                text.append(':');
                value(member);
                separator = ",";
            }
        }
        text.append('}');
        open.remove(value);
    }

    private void enter(Object value) {
        if (open.put(value, Boolean.TRUE) != null) {
            throw new JsonException("Infinite recursion (StackOverflowError) through " + value.getClass().getName());
        }
    }

    private void string(String string) {
        text.append('"');
        for (int i = 0; i < string.length(); i++) {
            char character = string.charAt(i);
            switch (character) {
                case '"' -> text.append("\\\"");
                case '\\' -> text.append("\\\\");
                case '\b' -> text.append("\\b");
                case '\f' -> text.append("\\f");
                case '\n' -> text.append("\\n");
                case '\r' -> text.append("\\r");
                case '\t' -> text.append("\\t");
                default -> {
                    if (character < ' ') {
                        text.append(String.format("\\u%04X", (int) character));
                    } else {
                        text.append(character);
                    }
                }
            }
        }
        text.append('"');
    }
}
