// What is built into the component: the provider, by the functions that a gateway calls.
package main

import _ "{{name}}/bindings/wit_exports"

func main() {}
