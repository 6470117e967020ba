package hearth.runtime.json;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.net.URI;
import java.net.URL;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.util.Base64;
import java.util.Calendar;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;

/** Values of one piece: text, numbers, booleans, enums, bytes, moments. */
final class Scalars {
    private static final Map<Class<?>, Class<?>> BOXES = Map.of(
            int.class, Integer.class, long.class, Long.class, double.class, Double.class, float.class, Float.class,
            short.class, Short.class, byte.class, Byte.class, boolean.class, Boolean.class, char.class, Character.class);
    private static final Set<Class<?>> OTHERS = Set.of(
            String.class, CharSequence.class, Boolean.class, Character.class, byte[].class, char[].class, ByteBuffer.class,
            Date.class, Calendar.class, Instant.class, LocalDate.class, LocalDateTime.class, LocalTime.class,
            OffsetDateTime.class, ZonedDateTime.class, UUID.class, URI.class, URL.class);

    private Scalars() {}

    static boolean isScalar(Class<?> type) {
        return type.isPrimitive() || type.isEnum() || OTHERS.contains(type) || Number.class.isAssignableFrom(type);
    }

    static Object bind(Object json, Class<?> type) {
        if (json == null) {
            return type.isPrimitive() ? zero(type) : null;
        }
        Class<?> boxed = BOXES.getOrDefault(type, type);
        try {
            if (boxed == String.class || boxed == CharSequence.class) {
                return text(json, type);
            }
            if (Number.class.isAssignableFrom(boxed)) {
                return number(json, boxed, type);
            }
            if (boxed == Boolean.class) {
                return truth(json, type);
            }
            if (type.isEnum()) {
                return constant(json, type);
            }
            return other(json, boxed);
        } catch (JsonException known) {
            throw known;
        } catch (RuntimeException malformed) {
            throw new JsonException(Binder.mismatch(json, type).getMessage() + ": " + malformed.getMessage(), malformed);
        }
    }

    private static Object zero(Class<?> type) {
        if (type == boolean.class) {
            return false;
        }
        return type == char.class ? (Object) '\0' : number(0, BOXES.get(type), type);
    }

    private static String text(Object json, Class<?> type) {
        if (json instanceof Map || json instanceof List) {
            throw Binder.mismatch(json, type);
        }
        return json.toString();
    }

    private static Object number(Object json, Class<?> boxed, Class<?> type) {
        if (json instanceof String text) {
            if (text.isBlank()) {
                return type.isPrimitive() ? zero(type) : null;
            }
            return number(new BigDecimal(text.trim()), boxed, type);
        }
        if (!(json instanceof Number number)) {
            throw Binder.mismatch(json, type);
        }
        BigDecimal exact = number instanceof BigDecimal fraction ? fraction : new BigDecimal(number.toString());
        if (boxed == Integer.class) {
            return exact.toBigInteger().intValueExact();
        } else if (boxed == Long.class) {
            return exact.toBigInteger().longValueExact();
        } else if (boxed == Double.class) {
            return exact.doubleValue();
        } else if (boxed == Float.class) {
            return exact.floatValue();
        } else if (boxed == Short.class) {
            return exact.toBigInteger().shortValueExact();
        } else if (boxed == Byte.class) {
            return exact.toBigInteger().byteValueExact();
        } else if (boxed == BigInteger.class) {
            return exact.toBigInteger();
        } else if (boxed == BigDecimal.class) {
            return exact;
        } else if (boxed == Number.class) {
            return number instanceof BigDecimal ? (Object) exact.doubleValue() : number;
        }
        throw Binder.mismatch(json, type);
    }

    private static Object truth(Object json, Class<?> type) {
        if (json instanceof Boolean) {
            return json;
        }
        if (json instanceof Integer number) {
            return number != 0;
        }
        if ("true".equals(json) || "True".equals(json) || "TRUE".equals(json)) {
            return true;
        }
        if ("false".equals(json) || "False".equals(json) || "FALSE".equals(json)) {
            return false;
        }
        if ("".equals(json)) {
            return type.isPrimitive() ? (Object) false : null;
        }
        throw Binder.mismatch(json, type);
    }

    /** Null for a name that is none of the constants'. */
    private static Object constant(Object json, Class<?> type) {
        Object[] constants = type.getEnumConstants();
        if (json instanceof Integer index) {
            return index >= 0 && index < constants.length ? constants[index] : null;
        }
        for (Object constant : constants) {
            if (((Enum<?>) constant).name().equals(json)) {
                return constant;
            }
        }
        return null;
    }

    private static Object other(Object json, Class<?> type) {
        if (json instanceof Number number) {
            return moment(number, type);
        }
        if (json instanceof List<?> parts) {
            return parts(parts, type);
        }
        if (!(json instanceof String text)) {
            throw Binder.mismatch(json, type);
        }
        if (type == byte[].class) {
            return Base64.getDecoder().decode(text);
        } else if (type == ByteBuffer.class) {
            return ByteBuffer.wrap(Base64.getDecoder().decode(text));
        } else if (type == char[].class) {
            return text.toCharArray();
        } else if (text.isEmpty()) {
            return null;
        } else if (type == Character.class) {
            return text.charAt(0);
        } else if (type == UUID.class) {
            return UUID.fromString(text);
        } else if (type == URI.class) {
            return URI.create(text);
        } else if (type == URL.class) {
            return url(text);
        } else if (type == Date.class) {
            return Date.from(instant(text));
        } else if (type == Calendar.class) {
            return calendar(instant(text));
        } else if (type == Instant.class) {
            return instant(text);
        }
        Object parsed = Instances.parse(text, type);
        if (parsed == null) {
            throw Binder.mismatch(json, type);
        }
        return parsed;
    }

    private static URL url(String text) {
        try {
            return URI.create(text).toURL();
        } catch (java.net.MalformedURLException malformed) {
            throw new IllegalArgumentException(malformed);
        }
    }

    private static Instant instant(String text) {
        if (text.indexOf('T') < 0) {
            return LocalDate.parse(text).atStartOfDay(ZoneOffset.UTC).toInstant();
        }
        boolean zoned = text.endsWith("Z") || text.lastIndexOf('+') > 0 || text.lastIndexOf('-') > text.indexOf('T');
        String whole = zoned ? text.replaceFirst("([+-]\\d\\d)(\\d\\d)$", "$1:$2") : text + "Z";
        return OffsetDateTime.parse(whole).toInstant();
    }

    /** The times of AWS's events, such as those of Kinesis records, are seconds. */
    static Date dateOfSeconds(Number seconds) {
        return Date.from(ofSeconds(new BigDecimal(seconds.toString())));
    }

    private static Instant ofSeconds(BigDecimal seconds) {
        BigInteger[] parts = seconds.movePointRight(9).toBigInteger().divideAndRemainder(BigInteger.valueOf(1_000_000_000));
        return Instant.ofEpochSecond(parts[0].longValueExact(), parts[1].longValueExact());
    }

    /** Dates are milliseconds, moments seconds. */
    private static Object moment(Number number, Class<?> type) {
        if (type == byte[].class || type == ByteBuffer.class || type == Character.class) {
            throw Binder.mismatch(number, type);
        }
        BigDecimal exact = new BigDecimal(number.toString());
        boolean isDate = type == Date.class || type == Calendar.class;
        Instant instant = ofSeconds(isDate ? exact.movePointLeft(3) : exact);
        if (type == Date.class) {
            return Date.from(instant);
        } else if (type == Calendar.class) {
            return calendar(instant);
        } else if (type == Instant.class) {
            return instant;
        } else if (type == OffsetDateTime.class) {
            return instant.atOffset(ZoneOffset.UTC);
        } else if (type == ZonedDateTime.class) {
            return instant.atZone(ZoneOffset.UTC);
        }
        throw Binder.mismatch(number, type);
    }

    private static Calendar calendar(Instant instant) {
        Calendar calendar = Calendar.getInstance();
        calendar.setTimeInMillis(instant.toEpochMilli());
        return calendar;
    }

    /** `[2026,11,23,8,30]`. */
    private static Object parts(List<?> parts, Class<?> type) {
        int[] n = parts.stream().mapToInt(part -> ((Number) part).intValue()).toArray();
        int[] padded = java.util.Arrays.copyOf(n, 7);
        if (type == LocalDate.class && n.length == 3) {
            return LocalDate.of(n[0], n[1], n[2]);
        } else if (type == LocalDateTime.class && n.length >= 5) {
            return LocalDateTime.of(n[0], n[1], n[2], padded[3], padded[4], padded[5], padded[6]);
        } else if (type == LocalTime.class && n.length >= 2) {
            return LocalTime.of(n[0], n[1], padded[2], padded[3]);
        }
        throw Binder.mismatch(parts, type);
    }
}
