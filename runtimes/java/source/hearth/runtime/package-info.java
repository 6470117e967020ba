/**
 * The Java runtime: loads a function and answers invocations with it, on the JDK alone.
 *
 * <p>It refuses to need anything of the function's package but the function: the interfaces it is written against are beside
 * this package, and JSON is read and written here.
 *
 * <p>On the way to a function's first answer there are no lambdas, method references or streams: what a JVM makes of the first of
 * them takes it longer than all else here. Strings are joined by code of the compiler's, for the same reason.
 */
package hearth.runtime;
