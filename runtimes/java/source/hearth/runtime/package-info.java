/**
 * The Java runtime: loads a function and answers invocations with it, on the JDK alone.
 *
 * <p>It refuses to need anything of the function's package but the function: the interfaces it is written against are beside
 * this package, and JSON is read and written here.
 */
package hearth.runtime;
