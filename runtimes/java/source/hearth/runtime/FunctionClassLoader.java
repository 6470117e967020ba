package hearth.runtime;

import java.io.File;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Finds the function's classes where AWS's runtime does: in the package, in the jars of its `lib/`, in those of
 * `java/lib/` of the layers; jars by name.
 */
final class FunctionClassLoader extends URLClassLoader {
    static {
        registerAsParallelCapable();
    }

    FunctionClassLoader(String taskRoot, String layers) throws MalformedURLException {
        super(places(taskRoot, layers), ClassLoader.getSystemClassLoader());
    }

    private static URL[] places(String taskRoot, String layers) throws MalformedURLException {
        List<URL> places = new ArrayList<>();
        places.add(new File(taskRoot).toURI().toURL());
        for (File directory : new File[] {new File(taskRoot, "lib"), new File(layers, "java/lib")}) {
            File[] files = directory.listFiles();
            if (files == null) {
                continue;
            }
            Arrays.sort(files);
            for (File file : files) {
                if (file.getName().endsWith(".jar")) {
                    places.add(file.toURI().toURL());
                }
            }
        }
        return places.toArray(new URL[0]);
    }
}
