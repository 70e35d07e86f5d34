COORD_SRC += host-coordinator/xml/domain_xml.c host-coordinator/xml/by_path.c \
	host-coordinator/xml/tree.c
