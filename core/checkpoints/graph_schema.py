"""The fields of an exported program that are accepted, as tables.

They follow ``torch/_export/serde/schema.py`` (schema version 8). A value is the kind of the field: a record
or union named here, a leaf checked in :mod:`.scan_graph`, or ``list:``, ``optional:``, ``names:`` (a table
keyed by plain names) and ``ranges:`` (a table keyed by size expressions) of one.
"""

from __future__ import annotations

from .text import words

RECORDS: dict[str, dict[str, str]] = {
    "ExportedProgram": {
        "graph_module": "GraphModule",
        "opset_version": "names:int",
        "range_constraints": "ranges:RangeConstraint",
        "schema_version": "SchemaVersion",
        "verifiers": "list:dialect",
        "torch_version": "version",
        "guards_code": "list:guard",
    },
    "SchemaVersion": {"major": "int", "minor": "int"},
    "RangeConstraint": {"min_val": "optional:int", "max_val": "optional:int"},
    "GraphModule": {
        "graph": "Graph",
        "signature": "GraphSignature",
        "module_call_graph": "list:ModuleCallEntry",
        "metadata": "metadata",
        "treespec_namedtuple_fields": "empty",
    },
    "Graph": {
        "inputs": "list:Argument",
        "outputs": "list:Argument",
        "nodes": "list:Node",
        "tensor_values": "names:TensorMeta",
        "sym_int_values": "names:SymInt",
        "sym_bool_values": "names:SymBool",
        "sym_float_values": "names:SymFloat",
        "is_single_tensor_return": "bool",
        "custom_obj_values": "empty",
    },
    "Node": {
        "target": "operator",
        "inputs": "list:NamedArgument",
        "outputs": "list:Argument",
        "metadata": "metadata",
        "is_hop_single_tensor_return": "optional:bool",
        "name": "optional:name",
    },
    "NamedArgument": {"name": "argument_name", "arg": "Argument", "kind": "optional:int"},
    "TensorArgument": {"name": "name"},
    "GraphArgument": {"name": "name", "graph": "Graph"},
    "ComplexValue": {"real": "float", "imag": "float"},
    "Device": {"type": "device", "index": "optional:int"},
    "TensorMeta": {
        "dtype": "int",
        "sizes": "list:SymInt",
        "requires_grad": "bool",
        "device": "Device",
        "strides": "list:SymInt",
        "storage_offset": "SymInt",
        "layout": "int",
    },
    "SymExpr": {"expr_str": "expression", "hint": "optional:SymExprHint"},
    "GraphSignature": {"input_specs": "list:InputSpec", "output_specs": "list:OutputSpec"},
    "UserSpec": {"arg": "Argument"},
    "ParameterSpec": {"arg": "TensorArgument", "parameter_name": "qualified"},
    "BufferSpec": {"arg": "TensorArgument", "buffer_name": "qualified", "persistent": "bool"},
    "ConstantSpec": {"arg": "TensorArgument", "tensor_constant_name": "qualified"},
    "ModuleCallEntry": {"fqn": "module_path", "signature": "optional:ModuleCallSignature"},
    "ModuleCallSignature": {
        "inputs": "list:Argument",
        "outputs": "list:Argument",
        "in_spec": "tree",
        "out_spec": "tree",
        "forward_arg_names": "optional:list:name",
    },
    "PayloadMeta": {
        "path_name": "payload_path",
        "is_param": "bool",
        "use_pickle": "bool",
        "tensor_meta": "TensorMeta",
    },
}

MAY_BE_ABSENT: frozenset[str] = words(
    "custom_obj_values guards_code is_single_tensor_return metadata sym_float_values torch_version "
    "treespec_namedtuple_fields verifiers"
)
"""Fields that torch fills in itself, besides the optional ones: an older torch does not write them."""

UNIONS: dict[str, dict[str, str]] = {
    "Argument": {
        "as_none": "bool",
        "as_tensor": "TensorArgument",
        "as_tensors": "list:TensorArgument",
        "as_int": "int",
        "as_ints": "list:int",
        "as_float": "float",
        "as_floats": "list:float",
        "as_string": "text",
        "as_strings": "list:text",
        "as_sym_int": "SymIntArgument",
        "as_sym_ints": "list:SymIntArgument",
        "as_scalar_type": "int",
        "as_memory_format": "int",
        "as_layout": "int",
        "as_device": "Device",
        "as_bool": "bool",
        "as_bools": "list:bool",
        "as_sym_bool": "SymBoolArgument",
        "as_sym_bools": "list:SymBoolArgument",
        "as_graph": "GraphArgument",
        "as_optional_tensor": "OptionalTensorArgument",
        "as_optional_tensors": "list:OptionalTensorArgument",
        "as_sym_float": "SymFloatArgument",
        "as_sym_floats": "list:SymFloatArgument",
        "as_complex": "ComplexValue",
        "as_nested_tensors": "list:list:TensorArgument",
        "as_int_lists": "list:list:int",
        "as_float_lists": "list:list:float",
    },
    "SymInt": {"as_expr": "SymExpr", "as_int": "int"},
    "SymFloat": {"as_expr": "SymExpr", "as_float": "float"},
    "SymBool": {"as_expr": "SymExpr", "as_bool": "bool"},
    "SymExprHint": {"as_int": "int", "as_bool": "bool", "as_float": "float"},
    "SymIntArgument": {"as_name": "name", "as_int": "int"},
    "SymFloatArgument": {"as_name": "name", "as_float": "float"},
    "SymBoolArgument": {"as_name": "name", "as_bool": "bool"},
    "OptionalTensorArgument": {"as_tensor": "TensorArgument", "as_none": "bool"},
    "InputSpec": {
        "user_input": "UserSpec",
        "parameter": "ParameterSpec",
        "buffer": "BufferSpec",
        "tensor_constant": "ConstantSpec",
    },
    "OutputSpec": {"user_output": "UserSpec"},
}

_CHANGES = "the graph changes {} as it runs, as an export in training mode does; export again after net.eval()"
REFUSED_FIELDS: dict[str, str] = {
    "as_custom_obj": "a custom object is unpickled, and its methods are called",
    "custom_obj": "a custom object is unpickled, and its methods are called",
    "token": "only custom objects and printing need it",
    "as_operator": "an operator handed over as a value can be any callable",
    "as_string_to_argument": "no operator that is accepted takes a table",
    "constant_input": "a net that can be audited takes one tensor; torch would write a constant into source code",
    "buffer_mutation": _CHANGES.format("a buffer"),
    "parameter_mutation": _CHANGES.format("a parameter"),
    "gradient_to_parameter": _CHANGES.format("a gradient"),
    "gradient_to_user_input": _CHANGES.format("a gradient"),
    "loss_output": _CHANGES.format("a gradient"),
    "user_input_mutation": "the graph changes its own input; write the net without in-place operations on its input",
}
