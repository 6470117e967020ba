package hearth.runtime;

import java.io.BufferedReader;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.MalformedURLException;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/**
 * Runs the bootstrap as at the start of a function, with a Runtime API and a function of its own, and ends: so that the JVM
 * knows which classes to keep in the archive that it maps at the start of others ({@code -XX:ArchiveClassesAtExit}). A stem
 * cell rehearses too, and goes on.
 *
 * <p>It refuses to run any code but the bootstrap's: a function's classes it only links ({@link ReferencedClasses}).
 */
public final class Rehearsal {
    private static final byte[] EVENT = "{\"words\":[\"a\",null,true,1.5],\"number\":1}".getBytes(StandardCharsets.UTF_8);
    private static final int EVENTS = 2;
    private static final int EVENTS_OF_CELL = 20;
    /** Fewer of its libraries' classes are sooner loaded by a stem cell that serves any function than by a JVM that has their archive. */
    private static final int CLASSES_MIN = 2_000;

    private Rehearsal() {}

    /**
     * The arguments are the bootstrap's, and for an archive of a function's classes also its directory and its class; the
     * bootstrap's variables say which address to listen on and that {@link #handle} is the handler.
     */
    public static void main(String[] arguments) throws Exception {
        String address = System.getenv("AWS_LAMBDA_RUNTIME_API");
        int colon = address.lastIndexOf(':');
        InetAddress host = InetAddress.getByName(address.substring(0, colon));
        ServerSocket listener = new ServerSocket(Integer.parseInt(address.substring(colon + 1)), 1, host);
        Thread api = new Thread(() -> serveAndEnd(listener, arguments));
        api.setDaemon(true);
        api.start();
        loadFromFile();
        Bootstrap.main(arguments);
    }

    /** Loads a class as those of a package are loaded that are in no jar, which takes other classes of the JDK than {@link #handle} does. */
    private static void loadFromFile() throws Exception {
        String name = Rehearsal.class.getName();
        File root = new File(System.getProperty("java.io.tmpdir"), "rehearsal");
        File file = new File(root, name.replace('.', '/') + ".class");
        file.getParentFile().mkdirs();
        try (InputStream own = Rehearsal.class.getResourceAsStream("Rehearsal.class");
                OutputStream copy = new FileOutputStream(file)) {
            own.transferTo(copy);
        }
        try (URLClassLoader loader =
                new URLClassLoader(new URL[] {root.toURI().toURL()}, ClassLoader.getPlatformClassLoader())) {
            loader.loadClass(name);
        }
    }

    /** What is rehearsed: JSON in, a log line, JSON out. */
    public static Map<String, Object> handle(Map<String, Object> event) {
        System.out.println(event.size());
        return event;
    }

    /**
     * What a stem cell does before it waits: it loads a class as it will load the function's and answers some events, so that the
     * JVM has loaded, linked and partly compiled what that takes. Nothing of it can be seen afterwards.
     */
    static void prepare() throws IOException, InterruptedException {
        URL jar = Rehearsal.class.getProtectionDomain().getCodeSource().getLocation();
        InetAddress host = InetAddress.getByName("127.0.0.1");
        try (ServerSocket listener = new ServerSocket(0, 1, host);
                URLClassLoader loader = new URLClassLoader(
                        new URL[] {new URL(jar, "."), jar}, ClassLoader.getPlatformClassLoader())) {
            // With a name it is not counted among those without.
            Thread api = new Thread(() -> serve(listener, EVENTS_OF_CELL), "rehearsal");
            api.start();
            RuntimeClient client = new RuntimeClient("127.0.0.1:" + listener.getLocalPort());
            Bootstrap bootstrap = new Bootstrap(client);
            Function stream = FunctionLoader.load("hearth.runtime.Rehearsal::copy", loader);
            Function value = FunctionLoader.load("hearth.runtime.Rehearsal::echo", loader);
            for (int event = 0; event < EVENTS_OF_CELL; event++) {
                bootstrap.answer(event % 2 == 0 ? stream : value);
            }
            client.abort();
            api.join();
        }
        FunctionLog.INSTANCE.setContext(null);
        System.clearProperty(Bootstrap.TRACE_PROPERTY);
    }

    /** Bytes in, bytes out. */
    public static void copy(InputStream event, OutputStream answer) throws IOException {
        event.transferTo(answer);
    }

    /** JSON in, JSON out. */
    public static Map<String, Object> echo(Map<String, Object> event) {
        return event;
    }

    private static void serveAndEnd(ServerSocket listener, String[] arguments) {
        boolean isWorthKeeping = false;
        try {
            // The bootstrap waits meanwhile: it would end with the connection.
            isWorthKeeping = arguments.length < 3 || linkFunction(arguments[0], arguments[1], arguments[2]) >= CLASSES_MIN;
            serve(listener, EVENTS);
        } finally {
            System.exit(isWorthKeeping ? 0 : 1);
        }
    }

    private static int linkFunction(String layers, String root, String name) {
        try {
            return ReferencedClasses.link(name, new FunctionClassLoader(root, layers));
        } catch (MalformedURLException impossible) {
            return 0;
        }
    }

    private static void serve(ServerSocket listener, int events) {
        try (Socket socket = listener.accept();
                BufferedReader requests = new BufferedReader(
                        new InputStreamReader(socket.getInputStream(), StandardCharsets.ISO_8859_1))) {
            OutputStream answers = socket.getOutputStream();
            for (int given = 0; ; ) {
                String line = requests.readLine();
                if (line == null) {
                    break;
                }
                boolean next = line.startsWith("GET ");
                int length = 0;
                for (String header = requests.readLine(); !header.isEmpty(); header = requests.readLine()) {
                    if (header.startsWith("Content-Length: ")) {
                        length = Integer.parseInt(header.substring("Content-Length: ".length()));
                    }
                    next |= header.startsWith(RuntimeClient.GOES_ON);
                }
                if (next && given++ == events) {
                    break;
                }
                for (; length > 0; length--) {
                    requests.read();
                }
                answers.write(answer(next));
            }
        } catch (IOException gone) {
            // What was loaded until now is worth keeping.
        }
    }

    private static byte[] answer(boolean next) {
        String head = next
                ? "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: rehearsal\r\nLambda-Runtime-Deadline-Ms: "
                        + (System.currentTimeMillis() + 60_000)
                        + "\r\nLambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:000000000000:function:rehearsal"
                        + "\r\nLambda-Runtime-Trace-Id: Root=1-0-0\r\nContent-Length: " + EVENT.length + "\r\n\r\n"
                        + new String(EVENT, StandardCharsets.UTF_8)
                : "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";
        return head.getBytes(StandardCharsets.UTF_8);
    }
}
