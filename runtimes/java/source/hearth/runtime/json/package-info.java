/**
 * JSON and Java's types, as AWS's runtime binds them: beans by their getters, setters and public fields, maps, lists,
 * arrays, text, numbers, enums, dates.
 *
 * <p>It refuses annotations: AWS's runtime reads none of those that functions bring.
 */
package hearth.runtime.json;
