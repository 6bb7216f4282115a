# SPDX-License-Identifier: MIT
# find_package(umod) for authors of modules.
#
#   umod_add_module(NAME SOURCE...)
#
# makes NAME.so, a shared object, by a target NAME, and NAME.o, one relocatable object, by a
# target NAME-object. Either is a module. Neither is linked with anything of umod's: what is
# needed is the header. Target umod::author has its folder.

find_path(UMOD_INCLUDE_DIR umod/author.h
	HINTS "${CMAKE_CURRENT_LIST_DIR}/../../../include")
if(NOT UMOD_INCLUDE_DIR)
	set(umod_FOUND FALSE)
	set(umod_NOT_FOUND_MESSAGE "umod/author.h is missing")
	return()
endif()

if(NOT TARGET umod::author)
	add_library(umod::author INTERFACE IMPORTED)
	set_target_properties(umod::author PROPERTIES
		INTERFACE_INCLUDE_DIRECTORIES "${UMOD_INCLUDE_DIR}")
endif()

function(umod_add_module name)
	add_library(${name}-parts OBJECT ${ARGN})
	set_target_properties(${name}-parts PROPERTIES POSITION_INDEPENDENT_CODE ON)
	target_link_libraries(${name}-parts PRIVATE umod::author)

	add_library(${name} MODULE $<TARGET_OBJECTS:${name}-parts>)
	set_target_properties(${name} PROPERTIES PREFIX "")
	get_property(languages GLOBAL PROPERTY ENABLED_LANGUAGES)
	if("CXX" IN_LIST languages)
		set(compiler "${CMAKE_CXX_COMPILER}")
		set_target_properties(${name} PROPERTIES LINKER_LANGUAGE CXX)
	else()
		set(compiler "${CMAKE_C_COMPILER}")
		set_target_properties(${name} PROPERTIES LINKER_LANGUAGE C)
	endif()

	add_custom_command(OUTPUT "${name}.o"
		COMMAND "${compiler}" -r -nostdlib -o "${name}.o" $<TARGET_OBJECTS:${name}-parts>
		DEPENDS ${name}-parts $<TARGET_OBJECTS:${name}-parts>
		COMMAND_EXPAND_LISTS VERBATIM)
	add_custom_target(${name}-object ALL DEPENDS "${name}.o")
endfunction()
