package hearth.runtime;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

/**
 * Speaks the Runtime API over one kept connection: HTTP/1.1 by hand, since the JDK's clients take longer to load than all
 * else here.
 *
 * <p>It refuses answers that are not framed by Content-Length.
 *
 * @see <a href="https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html">the Runtime API</a>
 */
final class RuntimeClient {
    private static final String ROOT = "/2018-06-01/runtime/";
    private static final byte[] NOTHING = {};
    /** Says that the next event is asked for with nothing in between: our own Runtime API then answers with that event. */
    static final String GOES_ON = "Hearth-Runtime-Next";
    /** Up to here no outcome is too large. */
    private static final int SMALL_OUTCOME_BYTES = 64 * 1024;

    private final String address;
    private Socket socket;
    private InputStream input;
    /** A response was posted and has no answer yet. */
    private boolean unanswered;

    RuntimeClient(String address) {
        this.address = address;
    }

    /** One invocation: its headers, by their names in lower case, and its event. */
    record Invocation(Map<String, String> headers, byte[] body) {
        String header(String name) {
            return headers.get(name);
        }

        String id() {
            return headers.get("lambda-runtime-aws-request-id");
        }
    }

    private record Answer(int status, Map<String, String> headers, byte[] body) {}

    /** Blocks until there is one. */
    Invocation next() throws IOException {
        if (unanswered) {
            unanswered = false;
            Answer answer = read();
            // What another status says of the response, such as that it was too large, is the platform's to report.
            if (answer.status == 200) {
                return new Invocation(answer.headers, answer.body);
            }
        }
        Answer answer = exchange("GET", "invocation/next", NOTHING, null);
        if (answer.status != 200) {
            throw new IOException("the Runtime API answered " + answer.status + " when asked for the next invocation");
        }
        return new Invocation(answer.headers, answer.body);
    }

    void postResponse(String id, byte[] body) throws IOException {
        String path = "invocation/" + id + "/response";
        if (socket == null || body.length > SMALL_OUTCOME_BYTES) {
            exchange("POST", path, body, null);
            return;
        }
        write("POST", path, body, GOES_ON + ": true\r\n");
        unanswered = true;
    }

    void postError(String id, byte[] document, String type) throws IOException {
        exchange("POST", "invocation/" + id + "/error", document, errorType(type));
    }

    void postInitError(byte[] document, String type) throws IOException {
        exchange("POST", "init/error", document, errorType(type));
    }

    private static String errorType(String type) {
        return "Lambda-Runtime-Function-Error-Type: " + type + "\r\n";
    }

    private Answer exchange(String method, String path, byte[] body, String header) throws IOException {
        boolean kept = socket != null;
        while (true) {
            try {
                if (socket == null) {
                    connect();
                }
                write(method, path, body, header);
                return read();
            } catch (IOException broken) {
                disconnect();
                // A kept connection may have been closed while nothing was said. A new one that breaks is broken.
                if (!kept) {
                    throw broken;
                }
                kept = false;
            }
        }
    }

    private void connect() throws IOException {
        int colon = address.lastIndexOf(':');
        socket = new Socket(address.substring(0, colon), Integer.parseInt(address.substring(colon + 1)));
        socket.setTcpNoDelay(true);
        input = new BufferedInputStream(socket.getInputStream());
    }

    /** Ends the connection so that neither side remembers it. */
    void abort() throws IOException {
        socket.setSoLinger(true, 0);
        disconnect();
    }

    private void disconnect() throws IOException {
        if (socket != null) {
            socket.close();
            socket = null;
        }
    }

    private void write(String method, String path, byte[] body, String header) throws IOException {
        StringBuilder head = new StringBuilder(256);
        head.append(method).append(' ').append(ROOT).append(path).append(" HTTP/1.1\r\nHost: ").append(address);
        head.append("\r\nUser-Agent: aws-lambda-java/").append(System.getProperty("java.version")).append("-hearth\r\n");
        if (method.equals("POST")) {
            head.append("Content-Type: application/json\r\nContent-Length: ").append(body.length).append("\r\n");
        }
        if (header != null) {
            head.append(header);
        }
        byte[] start = head.append("\r\n").toString().getBytes(StandardCharsets.ISO_8859_1);
        ByteArrayOutputStream request = new ByteArrayOutputStream(start.length + body.length);
        request.write(start, 0, start.length);
        request.write(body, 0, body.length);
        OutputStream output = socket.getOutputStream();
        request.writeTo(output);
        output.flush();
    }

    private Answer read() throws IOException {
        String status = line();
        Map<String, String> headers = new HashMap<>();
        for (String line = line(); !line.isEmpty(); line = line()) {
            int colon = line.indexOf(':');
            headers.put(line.substring(0, colon).toLowerCase(Locale.ROOT), line.substring(colon + 1).trim());
        }
        int length = Integer.parseInt(headers.getOrDefault("content-length", "0"));
        byte[] body = input.readNBytes(length);
        if (body.length < length) {
            throw new EOFException("the Runtime API ended the connection within a body");
        }
        if ("close".equalsIgnoreCase(headers.get("connection"))) {
            disconnect();
        }
        return new Answer(Integer.parseInt(status.substring(9, 12)), headers, body);
    }

    private String line() throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream(128);
        for (int octet = input.read(); octet != '\n'; octet = input.read()) {
            if (octet < 0) {
                throw new EOFException("the Runtime API ended the connection");
            }
            if (octet != '\r') {
                line.write(octet);
            }
        }
        return line.toString(StandardCharsets.UTF_8);
    }
}
