// SPDX-License-Identifier: Apache-2.0

package report

import _ "embed"

// DiffJSONSchema is the JSON Schema (2020-12) of what [DiffJSON] writes: the published
// form of [DiffSchema]. Properties are added within a version; a property that changes
// its meaning or goes away makes another version.
//
//go:embed diff.schema.json
var DiffJSONSchema string
