// What the second translation unit sees of the library's shared objects.
#pragma once

namespace second_unit {

const void* pool();
const void* generator();
const void* version();

}  // namespace second_unit
