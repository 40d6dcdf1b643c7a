// What is built into the component: the provider, with a gateway that sends its requests.

import http from "keyport:provider/http@0.1.0";

import { restKms } from "./kms.js";

export const provider = restKms((request) => http.send(null, request));
